import { expect, test } from 'vitest';
import { endingIn } from '../../../../src/sources/kubernetes/client/exec-status.ts';
import type { Wire } from '../../../../src/sources/kubernetes/client/exec-wire.ts';
import { keepWarm } from '../../../../src/sources/kubernetes/client/keep-warm.ts';

test.each([
  ['{"metadata":{},"status":"Success"}', { is: 'exited', code: 0 }],
  [
    '{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}',
    { is: 'exited', code: 7 },
  ],
  [
    '{"status":"Failure","reason":"InternalError","message":"container not found"}',
    { is: 'failed', message: 'container not found' },
  ],
  ['an old server says it in words', { is: 'failed', message: 'an old server says it in words' }],
])('how a command in a Pod ended: %s', (text, ending) => {
  expect(endingIn(text)).toEqual(ending);
});

/** A wire whose peer answers pings, until it does not; or never did. */
function wire(answers: { isThere: boolean }): { readonly wire: Wire; readonly isGivenUp: () => boolean } {
  const pongs: (() => void)[] = [];
  let givenUp = false;
  const nothing = (): void => undefined;
  return {
    isGivenUp: () => givenUp,
    wire: {
      protocol: 'v5.channel.k8s.io',
      ...{ send: nothing, pause: nothing, resume: nothing },
      ping: () => {
        if (answers.isThere) for (const pong of pongs) pong();
      },
      terminate: () => (givenUp = true),
      on: (event, listener) => (event === 'pong' ? pongs.push(listener) : undefined),
    },
  };
}

test('a peer that stops to answer is given up; one that never answered is not', async () => {
  const answers = { isThere: true };
  const gone = wire(answers);
  const mute = wire({ isThere: false });
  const stops = [keepWarm(gone.wire, 5), keepWarm(mute.wire, 5)];
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(gone.isGivenUp()).toBe(false);
  answers.isThere = false;
  await expect.poll(gone.isGivenUp).toBe(true);
  expect(mute.isGivenUp()).toBe(false);
  for (const stop of stops) stop();
});
