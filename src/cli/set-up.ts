import { HypemanError } from '../errors.ts';
import type { Tool } from '../host/tools.ts';
import type { Packages } from './packages.ts';

/** What `setup` works with; a test passes pretended ones. */
export type SetUpParts = {
  readonly packages: Packages;
  readonly missingTools: () => Promise<readonly Tool[]>;
  /** Finds init or builds it; throws `ToolMissing` without a compiler. */
  readonly prepareInit: () => Promise<unknown>;
  /** Throws `KernelPackageUnknown` when the package lists are too old or absent. */
  readonly prepareKernel: (report: (line: string) => void) => Promise<{ readonly version: string }>;
  readonly say: (line: string) => void;
};

const COMPILER = ['gcc', 'libc6-dev', 'linux-libc-dev'] as const;

/** Makes this host able to run instances. Says what it does before it does it; repeatable. */
export async function setUp(parts: SetUpParts): Promise<void> {
  const missing = await parts.missingTools();
  const names = [...new Set(missing.map((tool) => tool.package))];
  if (names.length === 0) parts.say('programs: nothing is missing');
  else await install(parts, names);
  const left = await parts.missingTools();
  if (left.length > 0)
    throw new HypemanError(
      'transient',
      'ToolMissing',
      `still missing after the installation: ${left.map(({ tool }) => tool).join(', ')}`,
    );
  await prepareInit(parts);
  const { version } = await prepareKernel(parts);
  parts.say(`guest kernel: ${version}`);
}

/** A published package brings init along; a checkout compiles it. */
async function prepareInit(parts: SetUpParts): Promise<void> {
  try {
    await parts.prepareInit();
  } catch (error) {
    if (!isReason(error, 'ToolMissing')) throw error;
    await install(parts, COMPILER);
    await parts.prepareInit();
  }
  parts.say('init: ready');
}

async function prepareKernel(parts: SetUpParts): Promise<{ readonly version: string }> {
  try {
    return await parts.prepareKernel(parts.say);
  } catch (error) {
    if (!isReason(error, 'KernelPackageUnknown') || (await parts.packages.problem()) !== undefined)
      throw error;
    parts.say('refreshing the package lists: apt-get update');
    await parts.packages.update();
    return parts.prepareKernel(parts.say);
  }
}

async function install({ packages, say }: SetUpParts, names: readonly string[]): Promise<void> {
  const problem = await packages.problem();
  const command = `apt-get install --no-install-recommends ${names.join(' ')}`;
  if (problem !== undefined)
    throw new HypemanError('invalid', 'CannotInstall', `${problem}; what is missing comes with: ${command}`);
  say(`installing: ${command}`);
  await packages.update();
  await packages.install(names);
}

function isReason(error: unknown, reason: string): boolean {
  return error instanceof HypemanError && error.reason === reason;
}
