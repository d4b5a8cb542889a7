import type { Logger } from '../../../log.ts';
import { nameOf, namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { ApiServer } from '../api-server.ts';
import { VOLUMES } from '../held-kind.ts';
import { INSTANCES } from '../instance-resource.ts';
import { LIST_WATCH_TIMING, listWatchOf } from '../list-watch.ts';
import type { ListWatchTiming } from '../list-watch.ts';
import { Reflector } from '../reflector.ts';
import type { ReflectorSink } from '../reflector.ts';
import { AGENT_LEASES, PLACEHOLDER_LABEL } from './placeholder-words.ts';
import type { PlacementSights } from './placement-sights.ts';

export type PlacementWatchesParts = {
  readonly api: ApiServer;
  readonly log: Logger;
  readonly sights: PlacementSights;
  readonly onInstance: (key: InstanceKey) => void;
  readonly onNode: (name: string) => void;
  /** Something that Instances of this namespace may wait for changed. */
  readonly onNeighbour: (namespace: string) => void;
  readonly timing?: ListWatchTiming;
};

type Sink = Pick<ReflectorSink, 'put' | 'gone'>;

/** Follows everything that placement depends on, and says what it concerns. */
export class PlacementWatches {
  readonly #parts: PlacementWatchesParts;
  readonly #needed: readonly Reflector[];
  readonly #volumes: Reflector;

  constructor(parts: PlacementWatchesParts) {
    this.#parts = parts;
    this.#needed = [
      this.#reflect('Instances', { path: INSTANCES }, instanceSink(parts)),
      this.#reflect(
        'Pods',
        { path: '/api/v1/pods', selector: { labelSelector: `${PLACEHOLDER_LABEL}=true` } },
        podSink(parts),
      ),
      this.#reflect('Nodes', { path: '/api/v1/nodes' }, nodeSink(parts)),
      this.#reflect('Leases', { path: AGENT_LEASES }, agentSink(parts)),
    ];
    this.#volumes = this.#reflect('Volumes', { path: VOLUMES }, volumeSink(parts));
  }

  /** Resolves when everything is known, however long that takes; Volumes may not be served at all. */
  async start(): Promise<void> {
    void this.#volumes.start();
    await Promise.all(this.#needed.map((reflector) => reflector.start()));
  }

  close(): void {
    for (const reflector of [...this.#needed, this.#volumes]) reflector.close();
  }

  #reflect(
    what: string,
    { path, selector = {} }: { readonly path: string; readonly selector?: Readonly<Record<string, string>> },
    sink: Sink,
  ): Reflector {
    const { api, log, timing } = this.#parts;
    return new Reflector(listWatchOf(api, { path, selector }, timing ?? LIST_WATCH_TIMING), {
      ...sink,
      standing: (standing) => {
        if (standing.is === 'following') log.info({ what }, 'following the API server');
        else log.warn({ what, message: standing.message }, 'the API server cannot be followed');
      },
    });
  }
}

function instanceSink({ sights, onInstance, onNeighbour }: PlacementWatchesParts): Sink {
  return {
    put: (object) => {
      const before = sights.putInstance(object);
      onInstance(object.key);
      if (before === undefined || before.holder !== sights.instance(object.key)?.holder)
        onNeighbour(namespaceOf(object.key));
    },
    gone: (key) => {
      sights.dropInstance(key);
      onInstance(key);
      onNeighbour(namespaceOf(key));
    },
  };
}

function podSink({ sights, onInstance }: PlacementWatchesParts): Sink {
  return {
    put: (object) => {
      const key = sights.putPod(object);
      if (key !== undefined) onInstance(key);
    },
    gone: (pod) => {
      const key = sights.dropPod(pod);
      if (key !== undefined) onInstance(key);
    },
  };
}

function nodeSink({ sights, onNode }: PlacementWatchesParts): Sink {
  return {
    put: (object) => {
      sights.putNode(object);
      onNode(nameOf(object.key));
    },
    gone: (key) => {
      sights.dropNode(nameOf(key));
      onNode(nameOf(key));
    },
  };
}

function agentSink({ sights, onNode }: PlacementWatchesParts): Sink {
  return {
    put: (object) => {
      sights.putAgent(object);
      onNode(nameOf(object.key));
    },
    gone: (key) => {
      sights.dropAgent(nameOf(key));
      onNode(nameOf(key));
    },
  };
}

function volumeSink({ sights, onNeighbour }: PlacementWatchesParts): Sink {
  return {
    put: (object) => {
      sights.putVolume(object);
      onNeighbour(namespaceOf(object.key));
    },
    gone: (key) => {
      sights.dropVolume(key);
      onNeighbour(namespaceOf(key));
    },
  };
}
