import type { Logger } from './log.ts';
import { openAct } from './act/act.ts';
import { boundConsoles, collectLeftovers } from './act/collect.ts';
import type { Hands } from './act/hands.ts';
import { openLook } from './look/look.ts';
import { nameOf, namespaceOf } from './machine/ids.ts';
import { volumesHeldBy } from './machine/volume.ts';
import type { InstanceId, InstanceKey, VolumeKey } from './machine/ids.ts';
import type { Action } from './plan/action.ts';
import { openHeartbeat } from './reconcile/heartbeat.ts';
import type { Heartbeat, HeartbeatSettings } from './reconcile/heartbeat.ts';
import type { Ports } from './reconcile/reconcile.ts';
import type { Source } from './sources/source.ts';
import { openVolumeTender } from './tend-volumes-in-turn.ts';
import type { VolumeWords } from './act/tend-volumes.ts';
import { openVoice } from './voice.ts';
import type { Announce } from './voice.ts';
import { baseInitrdOf, newSalt } from './workshops.ts';
import type { Bells, Workshops } from './workshops.ts';

export type ControllerSettings = Omit<HeartbeatSettings, 'metrics'> & {
  readonly metrics?: NonNullable<HeartbeatSettings['metrics']> & {
    /** An action of a plan was done, or could not be. */
    acted(kind: Action['kind'], result: 'success' | 'error'): void;
  };
  readonly newId: () => InstanceId;
  /** Hears where instances stand, a line each time it changes. */
  readonly announce?: Announce;
  /** How often leftovers are looked for; default a minute. */
  readonly collectMs?: number;
};

export type Controller = Pick<Heartbeat, 'settled' | 'wake'> & {
  /** Takes up the work: everything declared and everything recorded is looked at. */
  start(): Promise<void>;
  /** Ends the work; machines run on. */
  close(graceMs: number): Promise<void>;
};

const COLLECT_MS = 60_000;

/** Rings that come before the controller is there are lost: its start looks at everything. */
export type LateBells = { readonly bells: Bells; connect(to: Bells): void };

/** The workshops ring, the controller listens; the workshops are there first. */
export function lateBells(): LateBells {
  let target: Bells | undefined;
  return {
    bells: {
      instance: (id) => target?.instance(id),
      image: (reference) => target?.image(reference),
      volume: (key) => target?.volume(key),
      network: () => target?.network(),
    },
    connect: (to) => {
      target = to;
    },
  };
}

type Parts = { readonly workshops: Workshops; readonly source: Source; readonly ring: LateBells };

/** Ties source, workshops and planner into one loop. */
export function openController(
  parts: Parts,
  settings: ControllerSettings,
  log: Logger,
): Controller {
  const { workshops, source, ring } = parts;
  const hands: Hands = {
    ...workshops,
    environmentOf: (key) => source.environmentOf(key),
    baseInitrd: () => baseInitrdOf(workshops.hostFacts),
  };
  const names = new Map<InstanceId, InstanceKey>();
  const tender = tenderOf(parts, log);
  const heartbeat = openHeartbeat(portsOf(parts, { hands, names, tender }, settings), log, settings);
  ring.connect(bellsFor(parts, { names, tender }, heartbeat));
  const housekeeping = openHousekeeping(hands, tender, log);
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  return {
    settled: () => heartbeat.settled(),
    wake: (key) => {
      heartbeat.wake(key);
    },
    start: async () => {
      for (const { key, identity } of workshops.storage.records()) {
        names.set(identity.id, key);
        workshops.addresses.adopt(key, identity.ip);
      }
      await source.start((key) => {
        heartbeat.wake(key);
      });
      // Not before: while the source still reads, what it has not come to looks as if it were gone.
      source.volumes?.onChange((key) => {
        workshops.volumes.tryAgain(key);
        tender.ring();
      });
      if (!isClosed) await housekeeping();
      // Closed while the source was waited for: nothing is begun any more.
      if (isClosed) return;
      const keys = new Set([...source.keys(), ...workshops.storage.records().map(({ key }) => key)]);
      for (const key of keys) heartbeat.wake(key);
      timer = setInterval(() => void housekeeping(), settings.collectMs ?? COLLECT_MS);
    },
    close: async (graceMs) => {
      isClosed = true;
      clearInterval(timer);
      await heartbeat.close(graceMs);
      await tender.settled();
    },
  };
}

type Tender = ReturnType<typeof openVolumeTender>;
type Behind = {
  readonly hands: Hands;
  readonly names: Map<InstanceId, InstanceKey>;
  readonly tender: Tender;
};

function tenderOf(
  { workshops: { volumes, roots }, source, ring }: Parts,
  log: Logger,
): Tender {
  const words = source.volumes ?? NO_VOLUMES;
  return openVolumeTender({ volumes, roots, words, onFreed: ring.bells.volume }, log);
}

/** A source that knows no volumes does not say that there are none. */
const NO_VOLUMES: VolumeWords = {
  keys: () => [],
  declared: () => ({ is: 'held', refused: { message: 'this source knows no volumes' } }),
};

function portsOf(
  { workshops, source }: { readonly workshops: Workshops; readonly source: Source },
  { hands, names, tender }: Behind,
  { newId, announce, metrics }: ControllerSettings,
): Ports {
  const act = counted(openAct(hands), metrics);
  return {
    look: openLook({ ...workshops, declarations: source, newId, newSalt, now: Date.now }),
    act: async (action: Action, signal) => {
      if (action.kind === 'write-record') names.set(action.record.identity.id, action.record.key);
      const isOfVolumes = changesVolumes(action, workshops.storage);
      await act(action, signal);
      if (isOfVolumes) tender.ring();
      if (action.kind === 'forget-instance') names.delete(action.identity.id);
    },
    report: openVoice(source, Date.now, announce),
    done: (key) => source.forget(key),
  };
}

type Act = ReturnType<typeof openAct>;

function counted(act: Act, metrics: ControllerSettings['metrics']): Act {
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

function bellsFor(
  { workshops: { storage }, source }: Parts,
  { names, tender }: { readonly names: ReadonlyMap<InstanceId, InstanceKey>; readonly tender: Tender },
  heartbeat: Heartbeat,
): Bells {
  return {
    instance: (id) => {
      const key = names.get(id);
      if (key !== undefined) heartbeat.wake(key);
    },
    image: (reference) => {
      for (const key of source.keys()) if (needsImage(key, reference)) heartbeat.wake(key);
    },
    volume: (key) => {
      tender.ring();
      for (const instance of source.keys()) if (mounts(instance, key)) heartbeat.wake(instance);
    },
    network: () => {
      for (const { key } of storage.records()) heartbeat.wake(key);
    },
  };

  function mounts(key: InstanceKey, volume: VolumeKey): boolean {
    const declared = source.declared(key);
    if (declared.is !== 'wanted' || namespaceOf(key) !== namespaceOf(volume)) return false;
    return declared.instance.spec.volumes.some((one) => one.volume === nameOf(volume));
  }

  function needsImage(key: InstanceKey, reference: string): boolean {
    const declared = source.declared(key);
    const wished = declared.is === 'wanted' ? declared.instance.spec.image : undefined;
    return wished === reference || storage.recordOf(key)?.image?.reference === reference;
  }
}

/** One at a time; what fails is told and tried again next time. */
function openHousekeeping(hands: Hands, tender: Tender, log: Logger): () => Promise<void> {
  let running: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    try {
      const gone = await collectLeftovers(hands, AbortSignal.timeout(COLLECT_MS));
      if (gone.length > 0) log.info({ gone }, 'leftovers collected');
      await boundConsoles(hands);
      tender.ring();
      await tender.settled();
    } catch (error) {
      log.error({ err: error }, 'housekeeping failed');
    }
  };
  return () => {
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };
}
