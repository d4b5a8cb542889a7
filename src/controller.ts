import type { Logger } from './log.ts';
import { boundConsoles, collectLeftovers } from './act/collect.ts';
import { releaseSources } from './act/fork.ts';
import type { Hands } from './act/hands.ts';
import { nameOf, namespaceOf } from './machine/ids.ts';
import type { InstanceId, InstanceKey, VolumeKey } from './machine/ids.ts';
import { openHeartbeat } from './reconcile/heartbeat.ts';
import type { Heartbeat, HeartbeatSettings } from './reconcile/heartbeat.ts';
import type { Source } from './sources/source.ts';
import { openPorts } from './ports.ts';
import type { PortsSettings } from './ports.ts';
import { openVolumeTender } from './tend-volumes-in-turn.ts';
import type { VolumeWords } from './act/tend-volumes.ts';
import { baseInitrdOf } from './workshops.ts';
import type { Bells, Workshops } from './workshops.ts';

export type ControllerSettings = Omit<HeartbeatSettings, 'metrics'> &
  Omit<PortsSettings, 'metrics'> & {
    readonly metrics?: NonNullable<HeartbeatSettings['metrics']> & NonNullable<PortsSettings['metrics']>;
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

type Parts = {
  readonly workshops: Workshops;
  /** With what forks inherit: see `inheritedDeclarations`. */
  readonly source: Source;
  readonly inheritanceFrom: Hands['inheritanceFrom'];
  readonly ring: LateBells;
};

/** Ties source, workshops and planner into one loop. */
export function openController(parts: Parts, settings: ControllerSettings, log: Logger): Controller {
  const { workshops, source, ring, inheritanceFrom } = parts;
  const hands: Hands = {
    ...workshops,
    environmentOf: (key) => source.environmentOf(key),
    pullSecretsOf: (key) => source.pullSecretsOf(key),
    baseInitrd: () => baseInitrdOf(workshops.hostFacts),
    forkTroubles: new Map(),
    inheritanceFrom,
  };
  const names = new Map<InstanceId, InstanceKey>();
  const tender = tenderOf(parts, log);
  const wake = (key: InstanceKey): void => {
    heartbeat.wake(key);
  };
  const tendVolumes = (): void => {
    tender.ring();
  };
  const ports = openPorts({ ...parts, hands, names, wake, tendVolumes }, settings);
  const heartbeat = openHeartbeat(ports, log, settings);
  ring.connect(bellsFor(parts, { names, tender }, heartbeat));
  const housekeeping = openHousekeeping(hands, tender, log);
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  return {
    settled: () => heartbeat.settled(),
    wake,
    start: async () => {
      adoptRecorded(workshops, names);
      await source.start(wake);
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
      releaseSources(hands);
      await tender.settled();
    },
  };
}

/** Who is known from before keeps its name and its address. */
function adoptRecorded({ storage, addresses }: Workshops, names: Map<InstanceId, InstanceKey>): void {
  for (const { key, identity } of storage.records()) {
    names.set(identity.id, key);
    addresses.adopt(key, identity.ip);
  }
}

type Tender = ReturnType<typeof openVolumeTender>;
function tenderOf({ workshops: { volumes, roots }, source, ring }: Parts, log: Logger): Tender {
  const words = source.volumes ?? NO_VOLUMES;
  return openVolumeTender({ volumes, roots, words, onFreed: ring.bells.volume }, log);
}

/** A source that knows no volumes does not say that there are none. */
const NO_VOLUMES: VolumeWords = {
  keys: () => [],
  declared: () => ({ is: 'held', refused: { message: 'this source knows no volumes' } }),
};

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
