import { openAct } from './act/act.ts';
import type { Hands } from './act/hands.ts';
import { openLook } from './look/look.ts';
import type { InstanceId, InstanceKey } from './machine/ids.ts';
import { waitsSince } from './machine/record.ts';
import type { InstanceRecord } from './machine/record.ts';
import { volumesHeldBy } from './machine/volume.ts';
import type { Action } from './plan/action.ts';
import type { Ports } from './reconcile/reconcile.ts';
import type { Source } from './sources/source.ts';
import { openVoice } from './voice.ts';
import type { Announce } from './voice.ts';
import { newSalt } from './workshops.ts';
import type { Workshops } from './workshops.ts';

type PortsParts = {
  readonly workshops: Workshops;
  readonly source: Source;
  readonly hands: Hands;
  /** Who an id is; kept up here. */
  readonly names: Map<InstanceId, InstanceKey>;
  readonly wake: (key: InstanceKey) => void;
  readonly tendVolumes: () => void;
};

export type PortsSettings = {
  readonly newId: () => InstanceId;
  /** Hears where instances stand, a line each time it changes. */
  readonly announce?: Announce;
  /** Hears that an action of a plan was done, or could not be. */
  readonly metrics?: { acted(kind: Action['kind'], result: 'success' | 'error'): void };
};

/** What one pass is made of, and who else is to hear of what it did. */
export function openPorts(parts: PortsParts, { newId, announce, metrics }: PortsSettings): Ports {
  const { workshops, source, hands, names, wake, tendVolumes } = parts;
  const { storage } = workshops;
  const act = counted(openAct(hands), metrics);
  const voice = openVoice(source, Date.now, announce);
  const { forkTroubles } = hands;
  return {
    look: openLook({ ...workshops, forkTroubles, declarations: source, newId, newSalt, now: Date.now }),
    act: async (action: Action, signal) => {
      if (action.kind === 'write-record') names.set(action.record.identity.id, action.record.key);
      const isOfVolumes = changesVolumes(action, storage);
      await act(action, signal);
      if (isOfVolumes) tendVolumes();
      if (action.kind === 'write-record') wakeSource(action.record, wake);
      if (action.kind === 'forget-instance') names.delete(action.identity.id);
    },
    report: async (key, seen) => {
      await voice(key, seen);
      // Whatever was done or seen of it, its forks may have waited for.
      for (const { key: each, fork } of storage.forksOf(key)) if (fork?.source === undefined) wake(each);
    },
    done: (key) => source.forget(key),
  };
}

/** A fork asks by what is on its record. */
function wakeSource({ fork }: InstanceRecord, wake: (key: InstanceKey) => void): void {
  if (fork !== undefined && waitsSince(fork) !== undefined) wake(fork.instance);
}

type Act = ReturnType<typeof openAct>;

function counted(act: Act, metrics: PortsSettings['metrics']): Act {
  return async (action, signal) => {
    try {
      await act(action, signal);
      metrics?.acted(action.kind, 'success');
    } catch (error) {
      metrics?.acted(action.kind, 'error');
      throw error;
    }
  };
}

/** A run begins or ends with a record; what it had goes with the last word of it. Asked before it is done. */
function changesVolumes(action: Action, storage: Pick<Workshops['storage'], 'recordOf'>): boolean {
  if (action.kind !== 'write-record') return CHANGES_VOLUMES.has(action.kind);
  const records = [storage.recordOf(action.record.key), action.record];
  return records.some((record) => record !== undefined && volumesHeldBy(record).length > 0);
}

const CHANGES_VOLUMES: ReadonlySet<Action['kind']> = new Set([
  'forget-instance',
  'create-volume',
  'grow-volume',
] as const);
