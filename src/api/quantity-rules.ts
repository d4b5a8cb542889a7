import { HOTPLUG_STEP_BYTES } from '../machine/hotplug.ts';
import type { Problem } from './instance.ts';
import { problem } from './problem.ts';
import type { QuantityKind } from './quantity-kind.ts';
import { parseQuantity, quantityText } from './quantity.ts';
import { listOf, valueAt } from './raw.ts';

type Bounds = {
  readonly kind: QuantityKind;
  readonly least: number;
  readonly most?: number;
  /** In bytes: rounding behind the user's back would be a lie in status. */
  readonly multipleOf?: number;
};

const MIB = 1024 ** 2;
/** Where ext4 with 4 KiB blocks and today's virtual address spaces end. */
const MOST = 16 * 1024 ** 4;
/** A kernel and its initramfs do not fit below. */
const LEAST_MEMORY = 64 * MIB;
const RATE = { least: 1024 } as const;

const BOUNDS: readonly (Bounds & { readonly path: readonly string[] })[] = [
  // Every hypervisor takes memory in whole MiB, and a guest that runs in larger blocks.
  { path: ['size'], kind: 'size', least: LEAST_MEMORY, most: MOST, multipleOf: MIB },
  { path: ['hotplugSize'], kind: 'size', least: 0, most: MOST, multipleOf: HOTPLUG_STEP_BYTES },
  { path: ['overlaySize'], kind: 'size', least: LEAST_MEMORY, most: MOST, multipleOf: MIB },
  { path: ['diskIoBps'], kind: 'diskRate', ...RATE },
  { path: ['network', 'bandwidthDownload'], kind: 'bandwidth', ...RATE },
  { path: ['network', 'bandwidthUpload'], kind: 'bandwidth', ...RATE },
];
/** Of a volume, and of the layer over one: the least that ext4 is of use with. */
export const VOLUME_SIZE: Bounds = { kind: 'size', least: 16 * MIB, most: MOST, multipleOf: MIB };

/** What is wrong with the sizes and rates of a spec. */
export function quantityProblems(spec: unknown): readonly Problem[] {
  const ofVolumes = listOf(valueAt(spec, ['volumes'])).map((_, at) => ({
    path: ['volumes', at, 'overlaySize'],
    ...VOLUME_SIZE,
  }));
  return [...BOUNDS, ...ofVolumes].flatMap(({ path, ...bounds }) => {
    const value = valueAt(spec, path);
    const message = value === undefined ? undefined : complaintAbout(value, bounds);
    return message === undefined ? [] : [problem(['spec', ...path], message)];
  });
}

/** Why this cannot be, as a sentence; undefined when it can. */
export function complaintAbout(
  value: unknown,
  { kind, least, most, multipleOf = 1 }: Bounds,
): string | undefined {
  const quantity = parseQuantity(kind, value);
  if (quantity.is === 'wrong') return quantity.message;
  const { bytes } = quantity;
  if (bytes < least) return `must be at least ${quantityText(kind, least)}`;
  if (most !== undefined && bytes > most) return `must be at most ${quantityText(kind, most)}`;
  if (bytes % multipleOf === 0) return undefined;
  const step =
    multipleOf === MIB
      ? 'whole number of MB (1048576 bytes)'
      : `multiple of ${quantityText(kind, multipleOf)}`;
  return `must be a ${step}: write ${quantityText(kind, Math.ceil(bytes / multipleOf) * multipleOf)}`;
}
