import { existsSync } from 'node:fs';
import { runCommand } from '../../src/host/exec.ts';
import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { KUBELET } from '../support/cluster-node.ts';

const BUILD_MS = 45 * 60_000;

/** Builds the control plane and the kubelet once; without them every test that needs them is skipped and says why. */
export async function setup(): Promise<void> {
  if (controlPlaneMissing() !== undefined) await build('core', 'a control plane', 'ten minutes');
  if (!existsSync(KUBELET)) await build('node', 'a kubelet', 'three minutes');
}

async function build(part: string, what: string, about: string): Promise<void> {
  process.stderr.write(`cluster tests: building ${what} from Debian sources, once: about ${about}\n`);
  const script = new URL('../cluster/tools/build-control-plane.sh', import.meta.url).pathname;
  const { exitCode, stderr } = await runCommand('bash', [script, part], { timeoutMs: BUILD_MS });
  if (exitCode !== 0) process.stderr.write(`cluster tests: the build failed: ${stderr.slice(-2000)}\n`);
}
