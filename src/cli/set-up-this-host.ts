import { resolve } from 'node:path';
import { findInit } from '../guest/build-init.ts';
import { installKernel } from '../guest/kernel.ts';
import { ensureDirectory } from '../host/files.ts';
import { toolsMissing } from '../host/tools.ts';
import { SHARED_GID } from '../machine/owner.ts';
import type { CliContext, Places } from './context.ts';
import { aptPackages } from './packages.ts';
import { setUp } from './set-up.ts';

/** `setUp` with the real apt, compiler and kernel, told on stdout line by line. */
export async function setUpThisHost(
  { stdout, signal, driverFacts }: CliContext,
  places: Places,
  { cacheDir }: { readonly cacheDir?: string },
): Promise<void> {
  const { stateDir, runDir } = places;
  // Machines run as users of their own and have to pass through it to what they share.
  await ensureDirectory(stateDir, 0o711);
  await setUp({
    packages: aptPackages(process.getuid?.() ?? -1, signal),
    missingTools: toolsMissing,
    prepareInit: findInit,
    prepareKernel: (report) =>
      installKernel({
        roots: { state: stateDir, run: runDir },
        sharedGid: SHARED_GID,
        report,
        signal,
        ...(cacheDir === undefined ? {} : { cacheDir: resolve(cacheDir) }),
      }),
    say: (line) => {
      stdout.write(`${line}\n`);
    },
  }); // The trial of KVM takes seconds once: better now than at the first start of a machine.
  for (const { accelerator = 'none', problem } of Object.values(await driverFacts(places, signal)))
    stdout.write(`accelerator: ${problem ?? accelerator}\n`);
}
