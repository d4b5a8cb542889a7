import { textAt } from '../../../api/raw.ts';
import type { Parser } from '../../../api/parser.ts';
import { HypemanError } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import { isSuccess, sentenceOf } from '../api-server.ts';
import type { Answer, ApiServer } from '../api-server.ts';
import type { ListWatchTiming } from '../list-watch.ts';
import { pause } from '../pause.ts';
import { fenced } from './fenced-api.ts';
import { LeaderLease } from './leader-lease.ts';
import type { LeaseTiming } from './leader-lease.ts';
import type { PlaceholderSettings } from './placeholder-pod.ts';
import { PlacementSights } from './placement-sights.ts';
import { PlacementTerm } from './placement-term.ts';
import { PlacementWatches } from './placement-watches.ts';

export type PlacementOptions = {
  /** Where the Lease is. */
  readonly namespace: string;
  /** Nobody else's, not even that of an earlier life. */
  readonly identity: string;
  readonly settings: PlaceholderSettings;
  readonly parser: Parser;
  readonly log: Logger;
  readonly timing?: ListWatchTiming;
  readonly leaseTiming?: LeaseTiming;
  readonly now?: () => number;
};

export type Placement = {
  /** Resolves when everything is known and it waits for its turn, or has it. */
  start(): Promise<void>;
  /** Whether this one is at work, and not another. */
  isAtWork(): boolean;
  /** What it sees now: cheap enough to be asked at each scrape. */
  figures(): ReturnType<PlacementSights['counts']> & { readonly isAtWork: boolean };
  close(): Promise<void>;
};

/** `hypeman-system/hypeman-placement`: who has it is at work. */
const LEASE = 'hypeman-placement';

/** Placement in the cluster of an API server, which is closed with it: see the README beside this. */
export function openPlacement(api: ApiServer, options: PlacementOptions): Placement {
  const { log, now = Date.now, settings, timing, leaseTiming } = options;
  const sights = new PlacementSights(options.parser, options.now);
  let term: PlacementTerm | undefined;
  const lease: LeaderLease = new LeaderLease({
    api,
    log,
    namespace: options.namespace,
    name: LEASE,
    identity: options.identity,
    ...(leaseTiming === undefined ? {} : { timing: leaseTiming }),
    onTerm: (ended) => {
      const mine = fenced(api, () => lease.isHeld(), ended);
      const begun = new PlacementTerm({ api: mine, sights, settings, log, now });
      ended.addEventListener('abort', () => {
        begun.close();
        term = undefined;
      });
      term = begun;
      begun.start();
    },
  });
  const watches = new PlacementWatches({
    api,
    log,
    sights,
    onInstance: (key) => term?.instance(key),
    onNode: (name) => term?.node(name),
    onNeighbour: (namespace) => term?.neighbour(namespace),
    ...(timing === undefined ? {} : { timing }),
  });
  return {
    start: async () => {
      await watches.start();
      lease.start();
    },
    isAtWork: () => lease.isHeld(),
    figures: () => ({ ...sights.counts(), isAtWork: lease.isHeld() }),
    close: async () => {
      watches.close();
      await lease.close();
      api.close();
    },
  };
}

/**
 * The image of the Pod that this runs in: what placeholders run when nothing else is said. Waits for a server that
 * cannot be reached. Throws `invalid` when the Pod cannot be read.
 */
export async function placeholderImage(
  api: ApiServer,
  pod: { readonly namespace: string; readonly name: string; readonly signal: AbortSignal },
): Promise<string> {
  const answer = await askUntilAnswered(api, pod);
  const image = textAt(answer.body, ['spec', 'containers', 0, 'image']);
  if (isSuccess(answer) && image !== undefined) return image;
  const message =
    `Pod ${pod.namespace}/${pod.name}, whose image placeholders are to have, cannot be read: ` +
    `${sentenceOf(answer)}; name an image with --placeholder-image`;
  throw new HypemanError('invalid', 'NoPlaceholderImage', message);
}

const ANSWER_AGAIN_MS = 2_000;

async function askUntilAnswered(
  api: ApiServer,
  { namespace, name, signal }: Parameters<typeof placeholderImage>[1],
): Promise<Answer> {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  for (;;) {
    try {
      return await api.ask({ method: 'GET', path, signal });
    } catch (error) {
      if (signal.aborted) throw error;
    }
    await pause(ANSWER_AGAIN_MS, signal);
  }
}
