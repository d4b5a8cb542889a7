import { textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { conditionIn } from './cluster-placement.ts';
import type { Scheduler } from './cluster-placement.ts';
import { eventually } from './cluster-stage.ts';
import type { Yard } from './cluster-stage.ts';

/** What a test asks and waits for of Instances that Pods bring to a node. */
export type PlacedInstances = {
  /** Without a node of its own. */
  readonly create: (name: string, spec?: Mapping) => Promise<Mapping>;
  readonly read: (name: string) => Promise<Mapping>;
  /** Waits for a condition, `STATUS REASON`. */
  readonly says: (name: string, type: string, words: string) => Promise<void>;
  readonly stateIs: (name: string, state: string) => Promise<void>;
  readonly holderOf: (name: string) => Promise<string | undefined>;
  readonly podGoes: (pod: string) => Promise<void>;
  /** Creates it, binds its Pod to the node, and waits until it is ready; returns the Pod's name. */
  readonly runOn: (node: string, name: string, spec?: Mapping) => Promise<string>;
};

/** `on`: where they are now; a test's own. */
export function placedInstances(
  on: () => { readonly yard: Yard; readonly scheduler: Scheduler },
): PlacedInstances {
  const read = async (name: string): Promise<Mapping> => (await on().yard.read(name)).body;
  const create = (name: string, spec: Mapping = {}): Promise<Mapping> =>
    on().yard.create(name, { nodeName: undefined, ...spec });
  async function says(name: string, type: string, words: string): Promise<void> {
    await eventually(async () => {
      const document = await read(name);
      return conditionIn(document, type) === words || document.status;
    });
  }
  return {
    ...{ create, read, says },
    stateIs: async (name, state) => {
      await eventually(async () => {
        const { status } = await read(name);
        return valueAt(status, ['state']) === state || status;
      });
    },
    holderOf: async (name) => textAt(await read(name), ['metadata', 'annotations', 'hypeman.dev/held-by']),
    podGoes: async (pod) => {
      const { scheduler } = on();
      await eventually(async () => (await scheduler.pod(pod)) === undefined || scheduler.pod(pod));
    },
    runOn: async (node, name, spec) => {
      await create(name, spec);
      const pod = await on().scheduler.place(name, node);
      await says(name, 'Ready', 'True ProgramRunning');
      return pod;
    },
  };
}
