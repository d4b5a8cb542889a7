import { HypemanError } from '../../errors.ts';
import { statIfThere } from '../../host/files.ts';
import { probeKvm } from './accelerator.ts';
import { findQemu, QEMU_PROGRAM } from './program.ts';
import type { FoundQemu } from './program.ts';
import type { QemuFacts } from './translate.ts';

export type InstallationOptions = {
  /** `auto` is KVM where a trial machine boots on it, TCG otherwise. */
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  readonly sharedGid: number;
  /** `<state>/accelerator.json` */
  readonly acceleratorCache: string;
  /** The kernel for the trial of KVM; undefined while this host has none yet. */
  readonly kernelPath: () => Promise<string | undefined>;
  readonly program?: string;
};

/** What this host's QEMU is and can, looked up once; what is missing may be installed meanwhile. */
export class QemuInstallation {
  readonly #options: InstallationOptions;
  #looking: Promise<QemuFacts> | undefined;

  constructor(options: InstallationOptions) {
    this.#options = options;
  }

  /** Throws `QemuMissing`, `QemuTooOld` or `KvmMissing`, and looks again on the next call then. */
  async facts(signal: AbortSignal): Promise<QemuFacts> {
    this.#looking ??= this.#look(signal).catch((error: unknown) => {
      this.#looking = undefined;
      throw error;
    });
    return this.#looking;
  }

  async #look(signal: AbortSignal): Promise<QemuFacts> {
    const found = await findQemu(this.#options.program ?? QEMU_PROGRAM, signal);
    return { ...found, accelerator: await this.#accelerator(found, signal) };
  }

  async #accelerator(found: FoundQemu, signal: AbortSignal): Promise<'kvm' | 'tcg'> {
    const { accelerator, sharedGid, acceleratorCache, kernelPath } = this.#options;
    if (accelerator === 'tcg') return 'tcg';
    if (accelerator === 'kvm') {
      if ((await statIfThere('/dev/kvm')) !== undefined) return 'kvm';
      const advice = 'switch virtualization on in the firmware, or choose the accelerator auto';
      throw new HypemanError('transient', 'KvmMissing', `this host has no /dev/kvm: ${advice}`);
    }
    const kernel = await kernelPath();
    if (kernel === undefined) {
      // Nothing can be started without a kernel either: ask again when there is one.
      this.#looking = undefined;
      return 'tcg';
    }
    const probe = { found, kernel, sharedGid, cachePath: acceleratorCache };
    return (await probeKvm(probe, signal)).isUsable ? 'kvm' : 'tcg';
  }
}
