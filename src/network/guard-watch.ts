import type { LineWatch } from '../host/watch-lines.ts';
import type { NetworkHost } from './network-host.ts';
import { tableFor } from './ruleset.ts';

export type GuardWatchSettings = {
  readonly host: NetworkHost;
  readonly tag: string;
  /** A change of our own is under way or has only just ended: its echo is no news. */
  readonly isBusy: () => boolean;
  /** Looks whether the guard still stands. Never throws. */
  readonly check: () => Promise<void>;
};

const SETTLE_MS = 5;
const BUSY_MS = 50;
/** However busy we are: a change by somebody else is looked at after this many waits. */
const MOST_WAITS = 20;
/** Doubled each time that it ends without having said a word: nft may be missing. */
const RESTART_MS = 1000;
const SLOWEST_RESTART_MS = 60_000;

/**
 * Listens to `nft monitor` for changes of our table. nft does not say who made one in a way that holds across
 * pid namespaces, so every change leads to a look; those of our own are waited out.
 */
export function watchGuard(settings: GuardWatchSettings): LineWatch {
  const { host, tag, isBusy, check } = settings;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let restartMs = RESTART_MS;
  let watch = start();

  function start(): LineWatch {
    return host.watchLines('nft', ['monitor', 'ruleset'], {
      onLine: (line) => {
        restartMs = RESTART_MS;
        if (line.includes(` ${tableFor(tag)}`)) suspect(0);
      },
      onEnd: () => {
        later(restartMs, () => {
          restartMs = Math.min(restartMs * 2, SLOWEST_RESTART_MS);
          watch = start();
          suspect(0);
        });
      },
    });
  }

  function suspect(waits: number): void {
    if (timer !== undefined || isClosed) return;
    timer = later(isBusy() ? BUSY_MS : SETTLE_MS, () => {
      timer = undefined;
      if (isBusy() && waits < MOST_WAITS) suspect(waits + 1);
      else void check();
    });
  }

  function later(ms: number, then: () => void): NodeJS.Timeout {
    const started = setTimeout(() => {
      if (!isClosed) then();
    }, ms);
    return started.unref();
  }

  return {
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      watch.close();
    },
  };
}
