import { HypemanError } from '../errors.ts';
import { commandOutput, runCommand } from '../host/exec.ts';

const INSTALL_MS = 15 * 60_000;
const QUIET = { DEBIAN_FRONTEND: 'noninteractive' } as const;

/** Debian's package tool, as far as `setup` needs it. */
export type Packages = {
  /** Why nothing can be installed here, or undefined. */
  problem(): Promise<string | undefined>;
  update(): Promise<void>;
  install(names: readonly string[]): Promise<void>;
};

/** apt-get of this host; asks nothing and installs no recommendations. */
export function aptPackages(uid: number, signal: AbortSignal): Packages {
  const options = { env: QUIET, timeoutMs: INSTALL_MS, signal };
  return {
    problem: async () => {
      const hasApt = await runCommand('apt-get', ['--version'], { signal }).then(
        ({ exitCode }) => exitCode === 0,
        (error: unknown) => !(error instanceof HypemanError && error.reason === 'ToolMissing'),
      );
      if (!hasApt) return 'this is no Debian host: there is no apt-get';
      return uid === 0 ? undefined : 'packages can only be installed by root';
    },
    update: async () => {
      await commandOutput('apt-get', ['update', '-qq'], options);
    },
    install: async (names) => {
      await commandOutput('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], options);
    },
  };
}
