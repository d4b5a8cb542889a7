/** When an edit of a field reaches a guest that runs. */
export type ChangeEffect =
  | 'live' // at once, the guest runs on
  | 'restart' // at the next start of the guest
  | 'recreate' // at the next start, and the overlay is discarded
  | 'immutable' // refused
  | 'placement'; // when Kubernetes places the instance anew

export type FieldChange = {
  readonly effect: ChangeEffect;
  /** What one word cannot say, for the table of the README. */
  readonly note?: string;
};

/** Every field of `Instance.spec` by its path as YAML has it (DESIGN.md section 5). A map or list is one field. */
export const CHANGE_EFFECTS: Readonly<Record<string, FieldChange>> = {
  image: { effect: 'recreate' },
  forkFrom: { effect: 'immutable' },
  imagePullSecrets: { effect: 'live', note: 'asked for when an image is pulled' },
  entrypoint: { effect: 'restart' },
  cmd: { effect: 'restart' },
  env: { effect: 'restart', note: 'live for a key that a credential names as its source' },
  envFrom: { effect: 'restart', note: 'live for a key that a credential names as its source' },
  credentials: {
    effect: 'live',
    note: 'the placeholder of a new name is in the environment after the next restart',
  },
  vcpus: { effect: 'restart' },
  size: { effect: 'restart', note: 'live: a raise that `hotplugSize` has room for' },
  hotplugSize: { effect: 'restart' },
  overlaySize: { effect: 'restart', note: 'grows, never shrinks' },
  diskIoBps: { effect: 'restart', note: 'live where the hypervisor can, as QEMU' },
  'network.enabled': { effect: 'restart' },
  'network.bandwidthDownload': { effect: 'live' },
  'network.bandwidthUpload': { effect: 'live' },
  'network.egress.enabled': {
    effect: 'live',
    note: 'the proxy variables are in the environment after the next restart',
  },
  'network.egress.enforcement.mode': { effect: 'live' },
  hypervisor: { effect: 'restart', note: 'refused while a memory snapshot exists' },
  volumes: { effect: 'restart' },
  devices: { effect: 'restart' },
  'gpu.profile': { effect: 'restart' },
  skipGuestAgent: { effect: 'restart' },
  skipKernelHeaders: { effect: 'restart' },
  tags: { effect: 'live' },
  state: { effect: 'live', note: 'this is start, stop, standby and restore' },
  restartPolicy: { effect: 'live' },
  updatePolicy: { effect: 'live' },
  evictionPolicy: { effect: 'live' },
  nodeName: { effect: 'placement' },
  nodeSelector: { effect: 'placement' },
  tolerations: { effect: 'placement' },
  affinity: { effect: 'placement' },
  topologySpreadConstraints: { effect: 'placement' },
  priorityClassName: { effect: 'placement' },
  schedulerName: { effect: 'placement' },
};

/** From the mildest to the one that asks most of the user. */
const BY_WEIGHT: readonly ChangeEffect[] = ['live', 'placement', 'restart', 'recreate', 'immutable'];

/**
 * The effect of an edit at a path inside the spec. A deeper path (`env.PORT`, `volumes[0].mountPath`)
 * has the effect of its field; a group (`network`) the heaviest of its fields. A path nobody knows
 * counts as `restart`, so that no edit is ever taken for applied.
 */
export function changeEffectOf(path: string): ChangeEffect {
  const own = fieldOf(path);
  if (own !== undefined) return own.effect;
  const inside = Object.keys(CHANGE_EFFECTS).filter((field) => field.startsWith(`${path}.`));
  const effects = inside.map((field) => CHANGE_EFFECTS[field]?.effect);
  return BY_WEIGHT.findLast((effect) => effects.includes(effect)) ?? 'restart';
}

function fieldOf(path: string): FieldChange | undefined {
  const parts = path.split(/[.[]/);
  for (let length = parts.length; length > 0; length--) {
    const field = parts.slice(0, length).join('.');
    if (Object.hasOwn(CHANGE_EFFECTS, field)) return CHANGE_EFFECTS[field];
  }
  return undefined;
}
