import type { SnapshotWriter } from '../../machine/snapshot.ts';
import type { QemuInstallation } from './installation.ts';
import type { QemuFacts } from './translate.ts';
import type { Vmms } from './vmms.ts';

/** What keeping a machine's memory takes, beside the machine. */
export type House = {
  readonly vmms: Vmms;
  readonly installation: QemuInstallation;
  readonly bootId: string;
  /** Of the group that every VMM is in: who may map a frozen memory. */
  readonly sharedGid: number;
};

/** Device states are read back by the very version that wrote them: `-cpu max` of TCG changes between versions. */
export function writerOf({ version, accelerator }: QemuFacts): SnapshotWriter {
  return { hypervisor: 'qemu', version: version.text, accelerator };
}
