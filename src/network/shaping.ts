import type { Shaping } from '../machine/network.ts';
import { ifbFor } from './device-names.ts';
import type { Listing } from './listing.ts';

/** Batches in the order in which they must run; an empty one is not run. */
export type ShapingSteps = { readonly ip: string; readonly tc: string; readonly ipAfterwards: string };

/** What a tap's queues limit now. A limit that is only half there is none. */
export function shapingOf({ rates, redirected }: Listing, tap: string): Shaping {
  const downloadBps = rates.get(tap);
  const uploadBps = redirected.has(tap) ? rates.get(ifbFor(tap)) : undefined;
  return {
    ...(downloadBps === undefined ? {} : { downloadBps }),
    ...(uploadBps === undefined ? {} : { uploadBps }),
  };
}

/**
 * From what is there to what is wanted. Download leaves through a token bucket at the tap's root. Upload
 * arrives, is redirected to an ifb device and leaves that through another one: act_police drops instead of
 * queueing, and some kernels have neither it nor cls_matchall, u32 they have. Only IPv4 is redirected:
 * what comes back from the ifb has passed by the ingress hook, where everything else must be stopped.
 */
export function shapingSteps(tap: string, wanted: Shaping, seen: Listing): ShapingSteps {
  const ifb = ifbFor(tap);
  const download = wanted.downloadBps;
  const upload = wanted.uploadBps;
  const hasIfb = seen.devices.has(ifb);
  const tc = [
    ...(download === undefined
      ? removed(seen.rates.has(tap), `qdisc del dev ${tap} root`)
      : [bucket(tap, download)]),
    ...(upload === undefined
      ? removed(seen.redirected.has(tap), `qdisc del dev ${tap} ingress`)
      : [bucket(ifb, upload), ...redirection(tap, ifb)]),
  ];
  const created = [...removed(!hasIfb, `link add ${ifb} type ifb`), `link set dev ${ifb} up`];
  return {
    ip: lines(upload === undefined ? [] : created),
    tc: lines(tc),
    ipAfterwards: lines(upload === undefined ? removed(hasIfb, `link del ${ifb}`) : []),
  };
}

/** Larger packets of a bucket's own are cut by the kernel, not dropped (sch_tbf.c, tbf_segment). */
const LARGEST_FRAME = 1514;
/** 20 ms of traffic: little enough to hide in any measurement, enough for a busy host's late timers. */
const BURST_SECONDS = 0.02;
/** What may wait: 100 ms of traffic, and never less than TCP needs to find its rate. */
const QUEUE_SECONDS = 0.1;
const LEAST_QUEUE = 32 * LARGEST_FRAME;

function bucket(device: string, bytesPerSecond: number): string {
  const burst = Math.max(2 * LARGEST_FRAME, Math.ceil(bytesPerSecond * BURST_SECONDS));
  const queue = Math.max(LEAST_QUEUE, Math.ceil(bytesPerSecond * QUEUE_SECONDS));
  // In tc, `bps` is bytes per second.
  return `qdisc replace dev ${device} root tbf rate ${bytesPerSecond}bps burst ${burst} limit ${burst + queue}`;
}

function redirection(tap: string, ifb: string): readonly string[] {
  return [
    `qdisc replace dev ${tap} ingress`,
    `filter replace dev ${tap} parent ffff: protocol ip pref 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev ${ifb}`,
  ];
}

function removed(isThere: boolean, command: string): readonly string[] {
  return isThere ? [command] : [];
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join('');
}
