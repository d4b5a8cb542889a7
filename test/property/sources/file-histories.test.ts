import { rename, rm, unlink, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import {
  declaredDirectory,
  instanceYaml,
  isGone,
  isRefused,
  isSound,
  pause,
  uidOf,
  vcpusOf,
} from '../../support/declared-directory.ts';
import type { DeclaredDirectory } from '../../support/declared-directory.ts';

const GRACE_MS = 120;
const FILES = ['a.yaml', 'b.yaml'] as const;
type File = (typeof FILES)[number];
/** What stands in a file: an instance with so many vCPUs, something broken, or nothing. */
type Content =
  { readonly is: 'good'; readonly vcpus: number } | { readonly is: 'bad' } | { readonly is: 'none' };
type Step =
  | { readonly do: 'write' | 'replace'; readonly file: File; readonly vcpus: number }
  | { readonly do: 'break' | 'truncate' | 'delete'; readonly file: File }
  | { readonly do: 'move' | 'save slowly'; readonly file: File }
  | { readonly do: 'wait' | 'restart' };

const file = fc.constantFrom(...FILES);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('write' as const, 'replace' as const),
    file,
    vcpus: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ do: fc.constantFrom(...(['break', 'truncate', 'delete'] as const)), file }),
  fc.record({ do: fc.constantFrom(...(['move', 'save slowly'] as const)), file }),
  fc.record({ do: fc.constantFrom('wait' as const, 'restart' as const) }),
);

const BROKEN = { break: 'spec: [\n', truncate: '' };

/**
 * The rules, without files: what stands in each file, and whether it was read to declare the instance.
 * What was overwritten within the grace may or may not have been read.
 */
type Rules = { readonly contents: Map<File, Content>; readonly said: Map<File, 'yes' | 'maybe' | 'no'> };

function take({ contents, said }: Rules, name: File, content: Content): void {
  contents.set(name, content);
  if (content.is === 'good' && said.get(name) !== 'yes') said.set(name, 'maybe');
  if (content.is === 'none' && said.get(name) === 'yes') said.set(name, 'maybe');
}

function settleRules({ contents, said }: Rules): void {
  for (const [name, { is }] of contents) {
    if (is === 'good') said.set(name, 'yes');
    if (is === 'none') said.set(name, 'no');
  }
}

async function perform(place: DeclaredDirectory, rules: Rules, one: Step): Promise<void> {
  if (!('file' in one)) {
    await settle();
    settleRules(rules);
    if (one.do === 'restart') await place.open({ timing: TIMING });
    return;
  }
  const path = `${place.watch}/${one.file}`;
  switch (one.do) {
    case 'write':
      await writeFile(path, instanceYaml('web', { vcpus: one.vcpus }));
      take(rules, one.file, { is: 'good', vcpus: one.vcpus });
      break;
    case 'replace':
      await writeFile(`${path}.tmp`, instanceYaml('web', { vcpus: one.vcpus }));
      await rename(`${path}.tmp`, path);
      take(rules, one.file, { is: 'good', vcpus: one.vcpus });
      break;
    case 'break':
    case 'truncate':
      await writeFile(path, BROKEN[one.do]);
      take(rules, one.file, { is: 'bad' });
      break;
    case 'delete':
      await rm(path, { force: true });
      take(rules, one.file, { is: 'none' });
      break;
    case 'move':
    case 'save slowly':
      await rewrite(place, rules, one);
  }
}

async function rewrite(
  place: DeclaredDirectory,
  rules: Rules,
  one: Extract<Step, { do: 'move' | 'save slowly' }>,
): Promise<void> {
  const path = `${place.watch}/${one.file}`;
  const content = rules.contents.get(one.file) ?? { is: 'none' };
  if (content.is === 'none') return;
  if (one.do === 'move') return move(place, rules, one.file, content);
  await rename(path, `${path}~`);
  await pause(GRACE_MS / 4);
  await rename(`${path}~`, path);
}

async function move(place: DeclaredDirectory, rules: Rules, from: File, content: Content): Promise<void> {
  const to = from === 'a.yaml' ? 'b.yaml' : 'a.yaml';
  // What a broken file said belongs to its name: a broken text under another name says nothing.
  if (content.is !== 'good') return;
  await rename(`${place.watch}/${from}`, `${place.watch}/${to}`);
  take(rules, from, { is: 'none' });
  take(rules, to, content);
}

const TIMING = { delayMs: 2, graceMs: GRACE_MS, returnGraceMs: GRACE_MS };

function settle(): Promise<void> {
  return pause(3 * GRACE_MS);
}

function expectRules(place: DeclaredDirectory, { contents, said }: Rules): void {
  const declared = place.declared('web');
  const sure = FILES.filter((name) => said.get(name) === 'yes');
  if (sure.length > 0) expect(isGone(declared)).toBe(false);
  if (FILES.some((name) => said.get(name) === 'maybe')) return;
  const [only] = sure;
  const content = only === undefined ? undefined : contents.get(only);
  if (content === undefined) expect(isGone(declared)).toBe(true);
  else if (sure.length === 1 && content.is === 'good') {
    expect(isSound(declared)).toBe(true);
    expect(vcpusOf(declared)).toBe(content.vcpus);
  } else expect(isRefused(declared)).toBe(true);
}

/** A new uid waits for the disk, and the disk may be busy. */
async function eventuallyByRules(place: DeclaredDirectory, rules: Rules): Promise<void> {
  await vi.waitFor(
    () => {
      expectRules(place, rules);
    },
    { timeout: 5_000, interval: 20 },
  );
}

async function live(steps: readonly Step[]): Promise<void> {
  const place = await declaredDirectory();
  try {
    const rules: Rules = { contents: new Map(), said: new Map() };
    await place.open({ timing: TIMING });
    for (const one of steps) {
      await perform(place, rules, one);
      if (!('file' in one)) await eventuallyByRules(place, rules);
    }
    await perform(place, rules, { do: 'wait' });
    await eventuallyByRules(place, rules);
    await expectHealing(place);
  } finally {
    await place.remove();
  }
}

/** A good text heals everything, whatever came before, and is the same instance if there was one. */
async function expectHealing(place: DeclaredDirectory): Promise<void> {
  const uid = uidOf(place.declared('web'));
  await writeFile(`${place.watch}/a.yaml`, instanceYaml('web', { vcpus: 12 }));
  await rm(`${place.watch}/b.yaml`, { force: true });
  const healed = await place.until('web', (now) => isSound(now) && vcpusOf(now) === 12, 'healed');
  if (uid !== '') expect(uidOf(healed)).toBe(uid);
  await unlink(`${place.watch}/a.yaml`);
  await place.until('web', isGone, 'gone');
}

test('any history of two files ends where the rules say, and what is present is never gone', async () => {
  // Histories spend their time waiting: several go on side by side.
  const histories = fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { minLength: 8, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(histories, async (all) => {
      await Promise.all(all.map(live));
    }),
    { numRuns: 5, endOnFailure: true },
  );
}, 120_000);
