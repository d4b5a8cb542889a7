import { access, constants } from 'node:fs/promises';
import { HypemanError } from '../../errors.ts';
import { runCommand } from '../../host/exec.ts';
import { isExecutable } from '../../host/files.ts';
import type { QemuFacts } from './translate.ts';

export const QEMU_PROGRAM = 'qemu-system-x86_64';

/** qboot starts a PVH kernel 0.3 to 0.8 s sooner than SeaBIOS; Debian's qemu-system-data has it here. */
const QBOOT_PLACES = ['/usr/share/qemu/qboot.rom', '/usr/share/qemu/bios-microvm.bin'];
/** Older than this and JSON for -device and -object, or pc-q35 with PVH, are missing. */
const OLDEST_MAJOR = 7;

/** A QEMU, without what it runs on. */
export type FoundQemu = Omit<QemuFacts, 'accelerator'>;

/** The QEMU of this host. Throws `QemuMissing` or `QemuTooOld` with the way to get one. */
export async function findQemu(program: string, signal: AbortSignal): Promise<FoundQemu> {
  const text = await versionText(program, signal);
  const [, full, major, minor] = /version ((\d+)\.(\d+)(?:\.\d+)?)/.exec(text) ?? [];
  if (full === undefined) throw missing(`${program} does not tell its version`);
  if (Number(major) < OLDEST_MAJOR)
    throw new HypemanError(
      'transient',
      'QemuTooOld',
      `QEMU ${full} is too old: ${OLDEST_MAJOR}.0 or newer is needed`,
    );
  const firmware = await firstReadable(QBOOT_PLACES);
  return {
    program,
    version: { text: full, major: Number(major), minor: Number(minor) },
    ...(firmware === undefined ? {} : { firmware }),
  };
}

async function versionText(program: string, signal: AbortSignal): Promise<string> {
  if (program.startsWith('/') && !(await isExecutable(program))) throw missing(`there is no ${program}`);
  try {
    return (await runCommand(program, ['--version'], { signal, timeoutMs: 10_000 })).stdout;
  } catch (error) {
    if (error instanceof HypemanError && error.reason === 'ToolMissing') throw missing('it is not installed');
    throw error;
  }
}

async function firstReadable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const isThere = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

function missing(why: string): HypemanError {
  return new HypemanError(
    'transient',
    'QemuMissing',
    `QEMU cannot be used: ${why}; install it with: apt-get install qemu-system-x86`,
  );
}
