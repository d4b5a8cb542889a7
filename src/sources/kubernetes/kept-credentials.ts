import type { RequestOptions } from 'node:https';
import type { ClusterAccess } from './cluster-access.ts';

// Tokens live for an hour and are renewed in their last fifth (TokenRequest API); an exec plug-in costs a process.
const KEPT_MS = 10_000;

/** Asks for credentials once for all requests of ten seconds. */
export function keptCredentials(
  ask: () => Promise<RequestOptions>,
  now: () => number = Date.now,
): Pick<ClusterAccess, 'credentials' | 'distrust'> {
  let kept: { readonly options: Promise<RequestOptions>; readonly until: number } | undefined;
  return {
    credentials: () => {
      if (kept !== undefined && kept.until > now()) return kept.options;
      const asked = { options: ask(), until: now() + KEPT_MS };
      kept = asked;
      asked.options.catch(() => {
        if (kept === asked) kept = undefined;
      });
      return asked.options;
    },
    distrust: () => {
      kept = undefined;
    },
  };
}
