import { hostname } from 'node:os';
import type { Instance } from './api/instance.ts';
import type { InstanceStatus } from './api/status.ts';
import { parseQuantity } from './api/quantity.ts';
import type { Places } from './cli/context.ts';
import type { PlannedInstance } from './cli/planned.ts';
import { readReported } from './cli/reported.ts';
import { validateFiles } from './cli/validate-files.ts';
import type { Validation } from './cli/validate-files.ts';
import { HypemanError } from './errors.ts';
import { readBootId } from './host/processes.ts';
import { openImageStore } from './images/open-image-store.ts';
import type { Eyes } from './look/eyes.ts';
import { inheritedWords } from './inherited-words.ts';
import { openLook } from './look/look.ts';
import { installationTag, keyOf } from './machine/ids.ts';
import type { InstanceId, InstanceKey } from './machine/ids.ts';
import type { Shaping } from './machine/network.ts';
import { SHARED_GID } from './machine/owner.ts';
import { openAddressPool } from './network/address-pool.ts';
import { bystanderEyes, supposeForking, supposeMediated } from './plan-bystanders.ts';
import { foresee } from './plan/foresee.ts';
import { isRecorded } from './plan/known.ts';
import { pendingOf } from './plan/wishes.ts';
import { reportedDeclarations, supposedEnvironment } from './reported-declarations.ts';
import { readCrd } from './sources/crd.ts';
import { resolveEnvironment } from './sources/environment.ts';
import type { SecretLookup } from './sources/environment.ts';
import { resolvePullSecrets } from './sources/pull-secrets.ts';
import { openSnapshots } from './storage/open-snapshots.ts';
import { located } from './sources/volume-archive.ts';
import { openVolumes } from './storage/open-volumes.ts';
import { openStorage } from './storage/open-storage.ts';
import type { Storage } from './storage/storage.ts';
import { newSalt, openDriver, openFacts } from './workshops.ts';

/**
 * What these files would do on this host: the real look and the real planner, and a controller that may
 * be running left alone. Throws `Invalid` with every problem of the files.
 */
export async function planFiles(
  paths: readonly string[],
  { stateDir, runDir }: Places,
  newId: () => InstanceId,
): Promise<readonly PlannedInstance[]> {
  const { valid, problems } = await validateFiles(paths);
  if (problems.length > 0) throw new HypemanError('invalid', 'Invalid', problems.join('\n'));
  const look = openLook({ ...(await openEyes(stateDir, runDir, valid)), newId });
  const signal = AbortSignal.timeout(60_000);
  const planned: PlannedInstance[] = [];
  for (const { key, says } of valid) {
    if (says.is !== 'instance') continue;
    const seen = supposeMediated(await look(key, signal));
    const world = await supposeForking(seen, (source) => look(source, signal));
    const pendingFields = isRecorded(world) ? pendingOf(world) : [];
    planned.push({ key, rounds: foresee(world), pendingFields });
  }
  return planned;
}

type Claims = Validation['valid'];

async function openEyes(stateDir: string, runDir: string, claims: Claims): Promise<Omit<Eyes, 'newId'>> {
  const roots = { state: stateDir, run: runDir };
  const bootId = await readBootId();
  const storage = await openStorage({ roots });
  const reported = await readReported(stateDir);
  const statuses = new Map(
    reported.map(({ metadata, status }) => [keyOf(metadata.namespace, metadata.name), status]),
  );
  const driver = openDriver({ roots, accelerator: 'auto' }, bootId, () => undefined);
  const images = await openImageStore({ roots, sharedGid: SHARED_GID, onChange: () => undefined });
  const settings = { roots, nodeName: hostname(), defaultHypervisor: 'qemu' } as const;
  const known = reported.filter(({ metadata: { namespace, name } }) =>
    storage.recordOf(keyOf(namespace, name)),
  );
  const declarations = declarationsIn(claims, reportedDeclarations(known, await readCrd()), storage);
  return {
    ...bystanderEyes({
      ...{ roots, bootId },
      records: storage.records(),
      shapingOf: (key) => shapingIn(statuses.get(key)),
    }),
    storage,
    snapshots: openSnapshots({ roots, bootId }),
    forkTroubles: new Map(),
    volumes: await openVolumes({
      roots,
      records: () => storage.records(),
      unpackImage: (reference, to) => images.unpack(reference, to),
    }),
    addresses: openAddressPool(),
    images,
    declarations: { ...declarations, ...inheritedWords(declarations, storage) },
    hostFacts: openFacts(settings, { drivers: { qemu: driver } }, bootId),
    tag: installationTag(stateDir),
    newSalt,
    now: Date.now,
  };
}

/** The files as if they were watched: an instance that is there already has been edited. */
function declarationsIn(
  claims: Claims,
  elsewhere: ReadonlyMap<InstanceKey, Instance>,
  storage: Storage,
): Eyes['declarations'] {
  const claimOf = (key: InstanceKey): Claims[number] | undefined =>
    claims.find((claim) => claim.key === key && claim.says.is === 'instance');
  const secretOf: SecretLookup = (secret) => {
    const says = claims.find((other) => other.subject === `Secret/${secret}`)?.says;
    return says?.is === 'secret' ? says.values : undefined;
  };
  return {
    declared: (key) => {
      const says = claimOf(key)?.says;
      const record = storage.recordOf(key);
      const uid = record?.uid ?? 'new';
      const generation = (record?.run?.applied.generation ?? 0) + 1;
      const instance = says?.is === 'instance' ? says.instance : elsewhere.get(key);
      if (instance !== undefined) return { is: 'wanted', uid, generation, instance };
      return { is: 'held', uid, generation, refused: UNKNOWN_SOURCE };
    },
    volumes: {
      declared: (key) => {
        const claim = claims.find(({ subject }) => subject === `Volume/${key}`);
        if (claim?.says.is !== 'volume') return UNKNOWN_VOLUME;
        return { is: 'wanted', volume: located(claim.says.volume, fileOf(claim)) };
      },
    },
    pullSecretsOf: (key) => {
      const says = claimOf(key)?.says;
      if (says?.is !== 'instance') return Promise.resolve({ is: 'ready', configs: [] });
      return Promise.resolve(resolvePullSecrets(says.instance, secretOf));
    },
    environmentOf: async (key) => {
      const claim = claimOf(key);
      const other = elsewhere.get(key);
      if (claim?.says.is !== 'instance')
        return other === undefined ? { is: 'missing', ...UNKNOWN_SOURCE } : supposedEnvironment(other);
      return resolveEnvironment(claim.says.instance, fileOf(claim), {
        secretOf,
      });
    },
  };
}

function fileOf({ place }: Claims[number]): string {
  return place.replace(/:\d+:\d+$/, '');
}

/** Whom a fork names may be declared elsewhere, and known to nobody on this host. */
const UNKNOWN_SOURCE = {
  reason: 'SourceLost',
  message: 'it is declared in none of these files: name its file too',
} as const;

/** It may be declared elsewhere: a disk that is there will do. */
const UNKNOWN_VOLUME = {
  is: 'held',
  refused: {
    reason: 'SourceLost',
    message: 'its Volume is declared in none of these files: name its file too',
  },
} as const;

function shapingIn(status: InstanceStatus | undefined): Shaping {
  const download = parseQuantity('bandwidth', status?.network?.bandwidthDownload);
  const upload = parseQuantity('bandwidth', status?.network?.bandwidthUpload);
  return {
    ...(download.is === 'bytes' ? { downloadBps: download.bytes } : {}),
    ...(upload.is === 'bytes' ? { uploadBps: upload.bytes } : {}),
  };
}
