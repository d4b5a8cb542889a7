/** One block of memory that was plugged into a machine while it ran. */
export type Dimm = {
  /** Which of the machine's slots it is in; it tells its file. */
  readonly slot: number;
  /** Where the guest sees it, in bytes of guest-physical address space. */
  readonly address: number;
  readonly bytes: number;
};

/** Memory beyond what a machine was started with. */
export type Hotplug = {
  /** How much can be plugged in, all told: fixed at the start. */
  readonly bytes: number;
  /** What is plugged in, by slot. */
  readonly dimms: readonly Dimm[];
};

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** A Linux guest takes memory in sections of this size (x86: SECTION_SIZE_BITS 27 in sparsemem.h). */
export const HOTPLUG_STEP_BYTES = 128 * MIB;
/** One is used up by each growth. Each takes a GiB of the guest's address space, of which small CPUs have 512. */
export const HOTPLUG_SLOTS = 32;

/**
 * What a growth has to be a multiple of. A guest with 64 GiB and more under its memory's end makes larger
 * blocks of it, 2 GiB at most (probe_memory_block_size in arch/x86/mm/init_64.c); the PCI hole below 4 GiB
 * puts that end 2 GiB higher than the size.
 */
export function growthStepBytes(memoryBytes: number): number {
  return memoryBytes < 62 * GIB ? HOTPLUG_STEP_BYTES : 2 * GIB;
}

export function pluggedBytes(dimms: readonly Dimm[]): number {
  return dimms.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What the names of a machine's memory files end with: `memory.img`, and `memory.img.3` for what is in slot 3. */
export function memoryParts(dimms: readonly Dimm[]): readonly string[] {
  return ['', ...dimms.map(({ slot }) => partOfSlot(slot))];
}

export function partOfSlot(slot: number): string {
  return `.${slot}`;
}
