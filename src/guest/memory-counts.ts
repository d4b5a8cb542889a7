import { pipeline } from 'node:stream/promises';
import { HypemanError } from '../errors.ts';
import type { InstanceId } from '../machine/ids.ts';
import { HOTPLUG_STEP_BYTES } from '../machine/hotplug.ts';
import type { GuestListener, GuestLinks } from './guest-links.ts';

/** 160 ms is usual (drivers/qemu/grow.ts); emulated CPUs on a busy host take their time. */
const TAKEN_WITHIN_MS = 60_000;
const COUNT_AGAIN_MS = 60_000;
const READ_WITHIN_MS = 10_000;
/** 30 KB with a hundred CPUs. */
const LARGEST_TEXT = 1024 * 1024;
/** Of x86. */
const PAGE_BYTES = 4096;

/**
 * Whether guests use the memory that was plugged in: a VMM knows only that it is there. ACPI's word (`_OST`) is none:
 * Linux 6.1 answers with success even when it was booted with `acpi_no_memhotplug`, and QEMU 7.2 tells no more.
 */
export type MemoryCounts = {
  /**
   * How many bytes of so many the guest had not brought online when it was asked last; undefined while nobody knows.
   * Asked a while after the number changed, until nothing is missing, and told when the answer changes.
   */
  missing(id: InstanceId, plannedBytes: number): number | undefined;
  /** It does not run, has nothing plugged in, or cannot be asked. */
  forget(id: InstanceId): void;
  close(): void;
};

type Count = { readonly plannedBytes: number; timer?: NodeJS.Timeout; missing?: number | undefined };

/** Asks nothing before `missing` was called. A guest may lie: only what is said of itself is wrong then. */
export function openMemoryCounts(
  { links, onChange }: { readonly links: Pick<GuestLinks, 'read'>; readonly onChange: GuestListener },
  { takenWithinMs = TAKEN_WITHIN_MS, countAgainMs = COUNT_AGAIN_MS } = {},
): MemoryCounts {
  const counts = new Map<InstanceId, Count>();
  const forget = (id: InstanceId): void => {
    clearTimeout(counts.get(id)?.timer);
    counts.delete(id);
  };
  const countLater = (id: InstanceId, count: Count, afterMs: number): void => {
    count.timer = setTimeout(() => void recount(id, count), afterMs);
    count.timer.unref();
  };
  const recount = async (id: InstanceId, count: Count): Promise<void> => {
    const online = await onlineBytes(links, id).catch(() => undefined);
    if (counts.get(id) !== count) return;
    // The next look begins anew: a guest of which nothing is known is not asked for ever.
    if (online === undefined && count.missing === undefined) {
      forget(id);
      return;
    }
    const before = count.missing;
    if (online !== undefined) count.missing = missingOf(count.plannedBytes - online);
    if (count.missing !== undefined) countLater(id, count, countAgainMs);
    if (count.missing !== before) onChange(id);
  };
  return {
    missing: (id, plannedBytes) => {
      const known = counts.get(id);
      if (known?.plannedBytes === plannedBytes) return known.missing;
      forget(id);
      const count: Count = { plannedBytes };
      counts.set(id, count);
      countLater(id, count, takenWithinMs);
      return undefined;
    },
    forget,
    close: () => {
      for (const id of counts.keys()) forget(id);
    },
  };
}

/** In whole steps, as memory is taken: a few hundred KB that the firmware keeps are not missing. */
function missingOf(bytes: number): number | undefined {
  const steps = Math.round(bytes / HOTPLUG_STEP_BYTES);
  return steps > 0 ? steps * HOTPLUG_STEP_BYTES : undefined;
}

/** Throws what `GuestLinks.read` does, `GuestUnreachable`, or that it says nothing of the kind. */
async function onlineBytes(links: Pick<GuestLinks, 'read'>, id: InstanceId): Promise<number> {
  const file = await links.read(id, '/proc/zoneinfo');
  const text = await pipeline(file, boundedText, { signal: AbortSignal.timeout(READ_WITHIN_MS) });
  return onlineBytesIn(text);
}

/** Of a guest that goes on for ever, what came first. */
async function boundedText(file: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of file) {
    text += chunk.toString();
    if (text.length > LARGEST_TEXT) break;
  }
  return text;
}

/** The pages that each zone has of memory that is online (`present`; Documentation/admin-guide/mm, proc(5)). */
export function onlineBytesIn(zoneinfo: string): number {
  const zones = [...zoneinfo.matchAll(/^ +present +(\d+)$/gm)].map(([, pages]) => Number(pages));
  if (zones.length === 0)
    throw new HypemanError('transient', 'GuestUnreachable', 'the guest does not tell its memory');
  return zones.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES;
}
