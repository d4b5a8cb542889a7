/** How long we wait for what, in milliseconds. */

/** From the stop signal to the end of the program (Kubernetes' terminationGracePeriodSeconds). */
export const STOP_GRACE_MS = 30_000;
/** What init and the kernel get on top to say goodbye and power off, before the machine is killed. */
export const POWER_OFF_MS = 5_000;
/** A request to stop is repeated: a controller that crashed cannot know whether it was heard. */
export const ASK_AGAIN_MS = 10_000;
/** From the recorded exit of the program to the end of the machine. */
export const EXIT_TO_ABSENT_MS = 10_000;
/** A recorded exit is acknowledged again: init waits for it. */
export const ACKNOWLEDGE_AGAIN_MS = 2_000;
/** From the start to a program that runs. Emulated CPUs on a busy host boot in minutes. */
export const READY_WITHIN_MS = 300_000;
/** A run as long as this forgives every end before it. */
export const GOOD_RUN_MS = 600_000;
/** A host that lacks something is being mended by somebody; nothing tells us when. */
export const HOST_MENDED_MS = 30_000;
/** A hypervisor that does not answer, a machine that somebody paused. */
export const UNANSWERED_MS = 10_000;
/** The egress proxy is started again by itself, and tells when it is back; this is for the case that it cannot. */
export const PROXY_BACK_MS = 5_000;
/** A pull tells its end by itself; this is for the case that it cannot. */
export const PULL_LOOK_MS = 10_000;

/** How long a fork that asks its source for a base is heard, and for how long it then leaves the source alone. */
export const BASE_WITHIN_MS = 20_000;
export const ASK_ANEW_MS = 60_000;
/** From a fork's first going on to a guest that knows who it is. */
export const FORK_WITHIN_MS = 60_000;

/** A clock that went back ends every wait: late is better than never. */
export function elapsed(since: number, now: number): number {
  return now < since ? Number.POSITIVE_INFINITY : now - since;
}

/** RFC 3339 with seconds, as Kubernetes writes time. Never relative: the same world has the same words. */
export function timeText(epochMs: number): string {
  const known = Math.abs(epochMs) <= 8.64e15 ? epochMs : 0; // ECMA-262, time range of Date
  return new Date(known).toISOString().replace(/\.\d+Z$/, 'Z');
}
