import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { commandOutput, runCommand } from '../../src/host/exec.ts';
import { addImage, makeLayer, nameInLayout } from './oci-layout.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const CACHE = `${ROOT}.cache/agent-image`;
const OPT = '/opt/hypeman-controller';

/**
 * The agent's image as `manifests/Containerfile` describes it, in an OCI layout, made without a container engine:
 * its Debian packages by mmdebstrap from the archive that this machine uses (once, cached), and this tree's program.
 * Its tag is the version.
 */
export async function makeAgentImage(directory: string): Promise<void> {
  const containerfile = await readFile(`${ROOT}manifests/Containerfile`, 'utf8');
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(`${tmpdir()}/hm-agent-image-`);
  try {
    const layers = [
      await debianLayer(suiteIn(containerfile), packagesIn(containerfile)),
      await makeLayer(`${work}/kernel.tar`, fillKernel),
      await makeLayer(`${work}/program.tar`, fillProgram),
    ];
    const image = await addImage(
      directory,
      layers,
      {
        Entrypoint: entrypointIn(containerfile),
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      },
      { compression: 'none' },
    );
    const { version } = JSON.parse(await readFile(`${ROOT}package.json`, 'utf8')) as { version: string };
    await nameInLayout(directory, version, image);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function suiteIn(containerfile: string): string {
  const [, suite = ''] = /^FROM debian:([a-z]+)-slim$/m.exec(containerfile) ?? [];
  return suite;
}

/** What its last stage installs. */
function packagesIn(containerfile: string): readonly string[] {
  const stage = containerfile.slice(containerfile.lastIndexOf('\nFROM '));
  const [, words = ''] = /--no-install-recommends \\\n([\s\S]*?)&&/.exec(stage) ?? [];
  const names = words.split(/[\s\\]+/).filter(Boolean);
  if (names.length === 0) throw new Error('the Containerfile installs no packages');
  return names;
}

function entrypointIn(containerfile: string): readonly string[] {
  const [, words = '[]'] = /^ENTRYPOINT (.*)$/m.exec(containerfile) ?? [];
  return JSON.parse(words) as readonly string[];
}

/** A minimal Debian with these packages, as a tar file. Made once, cached. */
export async function debianLayer(suite: string, packages: readonly string[]): Promise<string> {
  const file = `${CACHE}/packages-${createHash('sha256')
    .update([suite, ...packages].join(' '))
    .digest('hex')
    .slice(0, 16)}.tar`;
  if (existsSync(file)) return file;
  // As the slim image leaves out.
  const leftOut = ['doc', 'man', 'locale', 'info'].map(
    (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
  );
  const { exitCode, stderr } = await runCommand(
    'nice',
    [
      ...['-n', '15', 'mmdebstrap', '--format=tar', '--variant=minbase', ...leftOut],
      ...[`--include=${packages.join(',')}`, suite, `${file}.part`, await mirror()],
    ],
    { timeoutMs: 600_000 },
  );
  if (exitCode !== 0) throw new Error(`mmdebstrap: ${stderr.slice(-1000)}`);
  await rename(`${file}.part`, file);
  return file;
}

async function mirror(): Promise<string> {
  const asked = ['indextargets', '--format', '$(SITE)', 'Identifier: Packages', 'Label: Debian'];
  const [site = ''] = (await commandOutput('apt-get', asked)).split('\n');
  return site;
}

async function fillKernel(root: string): Promise<void> {
  const unpacked = await mkdtemp(`${tmpdir()}/hm-kernel-`);
  try {
    await commandOutput('dpkg-deb', ['-x', await kernelPackage(), unpacked]);
    const target = `${root}${OPT}/kernel`;
    await mkdir(target, { recursive: true });
    const [vmlinuz] = (await readdir(`${unpacked}/boot`)).filter((name) => name.startsWith('vmlinuz-'));
    const [modules] = await readdir(`${unpacked}/lib/modules`);
    await rename(`${unpacked}/boot/${vmlinuz ?? ''}`, `${target}/vmlinuz`);
    await rename(`${unpacked}/lib/modules/${modules ?? ''}`, `${target}/modules`);
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

/** The newest cloud kernel of this machine's Debian. Fetched once, cached. */
export async function kernelPackage(): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const meta = `linux-image-cloud-${await commandOutput('dpkg', ['--print-architecture'])}`;
  const [, name = ''] =
    /Depends: (linux-image-\S+)/.exec(await commandOutput('apt-cache', ['depends', meta])) ?? [];
  const find = async (): Promise<string | undefined> =>
    (await readdir(CACHE)).find((file) => file.startsWith(`${name}_`));
  if ((await find()) === undefined)
    await commandOutput('apt-get', ['download', '-q', name], { cwd: CACHE, timeoutMs: 300_000 });
  return `${CACHE}/${(await find()) ?? ''}`;
}

async function fillProgram(root: string): Promise<void> {
  const target = `${root}${OPT}`;
  await mkdir(target, { recursive: true });
  await compile(`${target}/dist`);
  for (const path of await publishedModules()) {
    await mkdir(dirname(`${target}/${path}`), { recursive: true });
    await cp(`${ROOT}${path}`, `${target}/${path}`, { recursive: true, verbatimSymlinks: true });
  }
  for (const name of ['package.json', 'crds'])
    await cp(`${ROOT}${name}`, `${target}/${name}`, { recursive: true });
  await mkdir(`${root}/usr/local/bin`, { recursive: true });
  await cp(process.execPath, `${root}/usr/local/bin/node`);
  await symlink(`${OPT}/dist/src/main.js`, `${root}/usr/local/bin/hypeman-controller`);
}

/** As test/tools/build.sh, elsewhere. What does not type-check is for `npm run check` to refuse. */
async function compile(dist: string): Promise<void> {
  const tsc = `${ROOT}node_modules/typescript/bin/tsc`;
  await runCommand(process.execPath, [tsc, '-p', `${ROOT}test/tools/tsconfig.build.json`, '--outDir', dist]);
  await commandOutput(process.execPath, [`${ROOT}test/tools/copy-init.ts`, `${dist}/src/guest`], {
    cwd: ROOT,
  });
  await commandOutput('chmod', ['0755', `${dist}/src/main.js`]);
}

/** `npm prune --omit=dev` in words: what is left, without what lies in others of them. */
async function publishedModules(): Promise<readonly string[]> {
  const text = await commandOutput('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: ROOT });
  return text
    .split('\n')
    .slice(1)
    .map((path) => path.slice(ROOT.length))
    .filter((path) => path.lastIndexOf('node_modules/') === 0);
}
