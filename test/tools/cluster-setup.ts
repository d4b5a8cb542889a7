import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { runCommand } from '../../src/host/exec.ts';

const BUILD_MS = 45 * 60_000;

/** Builds the control plane once; without it every test of the project is skipped and says why. */
export async function setup(): Promise<void> {
  if (controlPlaneMissing() === undefined) return;
  process.stderr.write(
    'cluster tests: building a control plane from Debian sources, once: about ten minutes\n',
  );
  const script = new URL('../cluster/tools/build-control-plane.sh', import.meta.url).pathname;
  const { exitCode, stderr } = await runCommand('bash', [script, 'core'], { timeoutMs: BUILD_MS });
  if (exitCode !== 0) process.stderr.write(`cluster tests: the build failed: ${stderr.slice(-2000)}\n`);
}
