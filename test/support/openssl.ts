import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { runCommand } from '../../src/host/exec.ts';

/**
 * What openssl says of each leaf under this CA, as strictly as it can: undefined is "verified". An
 * implementation nobody here wrote.
 */
export async function verifyStrictly(
  ca: string,
  leaves: readonly string[],
  also: readonly string[] = [],
): Promise<string | undefined> {
  const directory = await mkdtemp(`${tmpdir()}/hm-egress-verify-`);
  try {
    await writeFile(`${directory}/ca.pem`, ca);
    const names = leaves.map((_, at) => `${at}.pem`);
    await Promise.all(leaves.map((leaf, at) => writeFile(`${directory}/${at}.pem`, leaf)));
    const strict = ['-x509_strict', '-check_ss_sig', '-purpose', 'sslserver', '-no-CApath', '-no-CAstore'];
    const args = ['verify', ...strict, ...also, '-CAfile', 'ca.pem', ...names];
    const { exitCode, stdout, stderr } = await runCommand('openssl', args, { cwd: directory });
    const verified = stdout.split('\n').filter((line) => line.endsWith(': OK')).length;
    return exitCode === 0 && verified === leaves.length ? undefined : `${stdout}${stderr}`;
  } finally {
    await rm(directory, { recursive: true });
  }
}
