import { release } from 'node:os';
import { HypemanError } from '../../errors.ts';
import { runCommand } from '../../host/exec.ts';
import { readIfThere, statIfThere, writeAtomically } from '../../host/files.ts';
import type { Owner } from '../../machine/machine.ts';
import { confined, deviceGroups } from './confinement.ts';
import { parseFields } from './fields.ts';
import type { FoundQemu } from './program.ts';

/** `problem` says why KVM is not used. */
export type KvmVerdict = { readonly isUsable: boolean; readonly problem?: string };

export type KvmProbe = {
  readonly found: FoundQemu;
  /** A kernel image that the group `sharedGid` may read. */
  readonly kernel: string;
  readonly sharedGid: number;
  /** Where the verdict is kept: `<state>/accelerator.json`. */
  readonly cachePath: string;
  /** `/dev/kvm` by default. */
  readonly device?: string;
};

/** A kernel on working KVM is at its panic within a second; where KVM is broken it never says a word. */
const TRIAL_MS = 5000;

/**
 * Whether KVM boots a kernel here. Nothing less decides: there are hosts where /dev/kvm opens, every
 * capability is there and a vCPU runs, and where no Linux kernel gets to its first line. The verdict
 * is kept for this host kernel and this QEMU; remove the file to have it tried again.
 */
export async function probeKvm(probe: KvmProbe, signal: AbortSignal): Promise<KvmVerdict> {
  const device = probe.device ?? '/dev/kvm';
  if ((await statIfThere(device)) === undefined)
    return { isUsable: false, problem: `this host has no ${device}` };
  const key = `${release()} qemu-${probe.found.version.text}`;
  const cached = cachedVerdict(await readIfThere(probe.cachePath), key);
  if (cached !== undefined) return cached;
  const verdict = await tryKvm(probe, device, signal);
  await writeAtomically(probe.cachePath, `${JSON.stringify({ key, ...verdict })}\n`);
  return verdict;
}

/** Boots the kernel without a root: it greets, panics, and reboots at once, which ends QEMU. */
async function tryKvm(probe: KvmProbe, device: string, signal: AbortSignal): Promise<KvmVerdict> {
  const owner: Owner = { uid: probe.sharedGid, gid: probe.sharedGid, sharedGid: probe.sharedGid };
  const groups = await deviceGroups([device], probe.sharedGid);
  const [program, ...args] = confined([probe.found.program, ...trialArguments(probe)], owner, groups);
  try {
    const { stdout, stderr, exitCode } = await runCommand(program, args, { signal, timeoutMs: TRIAL_MS });
    if (stdout.includes('Linux version')) return { isUsable: true };
    return { isUsable: false, problem: `a trial machine ended with code ${exitCode}: ${stderr.slice(-200)}` };
  } catch (error) {
    if (!(error instanceof HypemanError) || error.reason !== 'CommandTimeout') throw error;
    return { isUsable: false, problem: `a trial machine did not boot within ${TRIAL_MS / 1000} s` };
  }
}

function trialArguments({ found, kernel }: KvmProbe): readonly string[] {
  return [
    ...['-machine', 'q35', '-accel', 'kvm', '-cpu', 'host', '-m', '128M', '-no-reboot'],
    ...(found.firmware === undefined ? [] : ['-bios', found.firmware]),
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-kernel', kernel, '-append', 'console=ttyS0 panic=-1'],
  ];
}

function cachedVerdict(text: string | undefined, key: string): KvmVerdict | undefined {
  const kept = parseFields(text ?? '');
  if (kept?.key !== key || typeof kept.isUsable !== 'boolean') return undefined;
  return { isUsable: kept.isUsable, ...(typeof kept.problem === 'string' ? { problem: kept.problem } : {}) };
}
