import type { ReportedInstance } from '../../../api/reported.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { listWatchOf } from '../list-watch.ts';
import { Reflector } from '../reflector.ts';
import type { ReflectorStanding } from '../reflector.ts';
import type { ApiServer } from '../api-server.ts';
import { collectionPath, reportedIn } from './instances.ts';
import type { Scope } from './instances.ts';

/** What a scope holds, kept up to date. */
export type InstanceView = {
  all(): readonly ReportedInstance[];
  close(): void;
};

export type ViewHeard = {
  readonly changed: () => void;
  readonly standing: (standing: ReflectorStanding) => void;
};

/** Resolves when everything there is has been seen, or with `signal`; a server that is away is waited for. */
export async function openInstanceView(
  api: ApiServer,
  { namespace, name }: Scope,
  { changed, standing }: ViewHeard,
  signal: AbortSignal,
): Promise<InstanceView> {
  const known = new Map<InstanceKey, ReportedInstance>();
  const selector = name === undefined ? {} : { fieldSelector: `metadata.name=${name}` };
  const reflector = new Reflector(listWatchOf(api, { path: collectionPath(namespace), selector }), {
    put: ({ key, document }) => {
      const instance = reportedIn(document);
      if (instance !== undefined) known.set(key, instance);
      changed();
    },
    gone: (key) => {
      known.delete(key);
      changed();
    },
    standing,
  });
  signal.addEventListener('abort', () => {
    reflector.close();
  });
  await reflector.start();
  return {
    all: () => [...known.values()],
    close: () => {
      reflector.close();
    },
  };
}
