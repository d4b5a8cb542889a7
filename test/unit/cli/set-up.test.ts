import { expect, test } from 'vitest';
import type { SetUpParts } from '../../../src/cli/set-up.ts';
import { setUp } from '../../../src/cli/set-up.ts';
import { HypemanError } from '../../../src/errors.ts';

const NFT = { tool: 'nft', package: 'nftables', purpose: 'the guard' };
const IP = { tool: 'ip', package: 'iproute2', purpose: 'devices' };
const TC = { tool: 'tc', package: 'iproute2', purpose: 'limits' };

/** A host on which installing a package makes its programs appear. */
function host(more: {
  readonly lacks?: readonly (typeof NFT)[];
  readonly problem?: string;
  readonly lists?: boolean;
}): {
  readonly parts: SetUpParts;
  readonly installed: string[];
  readonly said: string[];
} {
  const installed: string[] = [];
  const said: string[] = [];
  let lists = more.lists ?? true;
  const hasCompiler = (): boolean => installed.includes('gcc');
  return {
    installed,
    said,
    parts: {
      packages: {
        problem: () => Promise.resolve(more.problem),
        update: () => {
          lists = true;
          return Promise.resolve();
        },
        install: (names) => {
          installed.push(...names);
          return Promise.resolve();
        },
      },
      missingTools: () =>
        Promise.resolve((more.lacks ?? []).filter((tool) => !installed.includes(tool.package))),
      prepareInit: () =>
        more.lacks === undefined || hasCompiler()
          ? Promise.resolve()
          : Promise.reject(new HypemanError('transient', 'ToolMissing', 'no gcc')),
      prepareKernel: () =>
        lists
          ? Promise.resolve({ version: '6.1.0' })
          : Promise.reject(new HypemanError('transient', 'KernelPackageUnknown', 'apt knows no kernel')),
      say: (line) => said.push(line),
    },
  };
}

test('what is missing is installed once, after it was said', async () => {
  const { parts, installed, said } = host({ lacks: [NFT, IP, TC] });
  await setUp(parts);
  expect(installed).toEqual(['nftables', 'iproute2', 'gcc', 'libc6-dev', 'linux-libc-dev']);
  expect(said[0]).toBe('installing: apt-get install --no-install-recommends nftables iproute2');
  expect(said.at(-1)).toBe('guest kernel: 6.1.0');
});

test('a host in order is left alone, however often', async () => {
  const { parts, installed } = host({});
  await setUp(parts);
  await setUp(parts);
  expect(installed).toEqual([]);
});

test('where nothing can be installed, the command for the user is the answer', async () => {
  const { parts, installed } = host({ lacks: [NFT], problem: 'packages can only be installed by root' });
  await expect(setUp(parts)).rejects.toThrow(/only be installed by root.*apt-get install .*nftables/);
  expect(installed).toEqual([]);
});

test('package lists that do not know the kernel are refreshed', async () => {
  const { parts, said } = host({ lists: false });
  await setUp(parts);
  expect(said).toContain('refreshing the package lists: apt-get update');
});
