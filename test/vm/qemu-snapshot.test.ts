import { describeMemoryKeeper } from '../conformance/memory-suite.ts';
import { openQemuStage } from '../support/qemu-stage.ts';

describeMemoryKeeper('qemu', openQemuStage);
