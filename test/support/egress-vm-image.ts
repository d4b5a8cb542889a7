import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { statIfThere } from '../../src/host/files.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { CACHE } from './controller-process.ts';
import { addImage, makeLayer, nameInLayout } from './oci-layout.ts';

/** HTTP clients that nobody here wrote, from Debian's packages, in one image. */
const GUEST = new URL('egress-vm-guest/', import.meta.url).pathname;
const BASE = `base-files base-passwd libc-bin debianutils bash dash coreutils findutils grep sed procps
  iproute2 hostname ca-certificates openssl curl python3-minimal python3 python3-websockets`.split(/\s+/);
const ALL = `wget git nodejs openjdk-17-jre-headless python3-requests python3-httpx python3-h2
  python3-grpcio`.split(/\s+/);
/** Compilers, by themselves: what they depend on is here or in the image. */
const TOOLS = ['golang-1.19-go', 'golang-1.19-src', 'libeclipse-jdt-core-java'];
/** Of no use to these clients, and a third of all bytes. */
const NOT_NEEDED = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/fonts',
  'usr/share/locale',
  'usr/share/info',
];
const JAVA = '/usr/lib/jvm/java-17-openjdk-amd64';
const PLACE = `${CACHE}/egress-vm`;
/** Another number for another way to make it. */
const RECIPE = 2;

/** Where the programs of `egress-vm-guest/` lie in the guest. */
export const CLIENTS = '/opt/clients';

/** `some` is curl, openssl and Python, which boots in half the time; `all` has every client. */
export type Clients = 'some' | 'all';

/**
 * Makes the image where it is not in the cache yet (two minutes, most of it Debian's mirror) and returns
 * `oci:DIRECTORY:clients`. Packages are unpacked as they are; of their scripts only what clients need is done.
 */
export async function makeClientsImage(clients: Clients): Promise<string> {
  const compiled = await digestOf(
    ['client.go', 'Client.java'],
    [RECIPE, clients, BASE, ALL, TOOLS, NOT_NEEDED],
  );
  const scripts = await digestOf(['client.mjs', 'clients.py', 'attacks.py'], [compiled]);
  const directory = `${PLACE}/${scripts}`;
  if ((await statIfThere(`${directory}/index.json`)) !== undefined) return `oci:${directory}:${clients}`;
  await mkdir(PLACE, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), 'hm-clients-'));
  try {
    const base = `${PLACE}/${compiled}.tar`;
    if ((await statIfThere(base)) === undefined) await makeBase(clients, base, work);
    const top = await makeLayer(`${work}/top.tar`, (root) =>
      cp(GUEST, `${root}${CLIENTS}`, { recursive: true }),
    );
    const config = {
      Entrypoint: ['/bin/sleep', 'infinity'],
      Env: [`PATH=/usr/sbin:/usr/bin:/sbin:/bin:${JAVA}/bin`],
    };
    await rm(`${directory}.new`, { recursive: true, force: true });
    const image = await addImage(`${directory}.new`, [base, top], config, { compression: 'zstd' });
    await nameInLayout(`${directory}.new`, clients, image);
    await rename(`${directory}.new`, directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return `oci:${directory}:${clients}`;
}

async function digestOf(files: readonly string[], words: unknown): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(words));
  for (const name of files) hash.update(await readFile(`${GUEST}${name}`));
  return hash.digest('hex').slice(0, 16);
}

async function makeBase(clients: Clients, tarFile: string, work: string): Promise<void> {
  await makeLayer(`${work}/base.tar`, async (root) => {
    await fillRoot(root, clients === 'all' ? [...BASE, ...ALL] : BASE, `${work}/for-root`);
    if (clients === 'all') await addPrograms(root, work);
  });
  await commandOutput('cp', [`${work}/base.tar`, `${tarFile}.new`]);
  await rename(`${tarFile}.new`, tarFile);
}

async function fillRoot(root: string, packages: readonly string[], archives: string): Promise<void> {
  await commandOutput('chmod', ['0755', root]);
  // Debian's merged /usr, which debootstrap makes before it unpacks anything.
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']) {
    await mkdir(`${root}/usr/${name}`, { recursive: true });
    await symlink(`usr/${name}`, `${root}/${name}`);
  }
  await unpack(await downloaded('install', packages, archives), root);
  for (const path of NOT_NEEDED) await rm(`${root}/${path}`, { recursive: true, force: true });
  for (const name of ['proc', 'sys', 'dev', 'run', 'tmp', 'root', 'var/tmp'])
    await mkdir(`${root}/${name}`, { recursive: true });
  await commandOutput('chmod', ['1777', `${root}/tmp`]);
  for (const name of ['passwd', 'group'])
    await commandOutput('cp', [`${root}/usr/share/base-passwd/${name}.master`, `${root}/etc/${name}`]);
  // By hash and unchecked: layers have no times, and modules of another time would be compiled anew at each start.
  const compile = 'python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3*';
  await runInside(root, `ldconfig; ${compile} || true`);
  await trustMozilla(root);
}

/** What ca-certificates and ca-certificates-java do when they are configured. */
async function trustMozilla(root: string): Promise<void> {
  const from = `${root}/usr/share/ca-certificates/mozilla`;
  const names = (await readdir(from)).sort();
  const texts = await Promise.all(names.map((name) => readFile(`${from}/${name}`, 'utf8')));
  await writeFile(`${root}/etc/ssl/certs/ca-certificates.crt`, texts.join(''));
  await writeFile(`${root}/etc/ca-certificates.conf`, names.map((name) => `mozilla/${name}\n`).join(''));
}

/** As ca-certificates-java does, and the JRE's own package; two CAs will do for a store that is a store. */
async function configureJava(root: string): Promise<void> {
  // Java's archive of its own classes is good for modules of the time that the layer will give them.
  await runInside(root, `touch -d @0 ${JAVA}/lib/modules && ${JAVA}/bin/java -Xshare:dump -Xlog:disable`);
  const from = '/usr/share/ca-certificates/mozilla';
  const names = (await readdir(`${root}${from}`)).sort().slice(0, 2);
  const keytool = `${JAVA}/bin/keytool -importcert -noprompt -storepass changeit -storetype JKS`;
  await mkdir(`${root}/etc/ssl/certs/java`, { recursive: true });
  for (const name of names)
    await runInside(
      root,
      `${keytool} -keystore /etc/ssl/certs/java/cacerts -alias ${name} -file ${from}/${name}`,
    );
}

async function addPrograms(root: string, work: string): Promise<void> {
  const tools = `${work}/tools`;
  await unpack(await downloaded('download', TOOLS, `${work}/for-tools`), tools);
  await configureJava(root);
  const clients = `${root}${CLIENTS}`;
  await cp(GUEST, clients, { recursive: true });
  const settings = ['CGO_ENABLED=0', 'GO111MODULE=off', 'GOFLAGS=-trimpath', `GOCACHE=${tools}/cache`];
  const build = [`${tools}/usr/lib/go-1.19/bin/go`, 'build', '-o', `${clients}/client-go`];
  await commandOutput('env', [...settings, ...build, `${clients}/client.go`], { timeoutMs: 240_000 });
  await mkdir(`${root}/ecj`);
  await commandOutput('sh', ['-c', `cp -L ${tools}/usr/share/java/*.jar ${root}/ecj/`]);
  const java = `${JAVA}/bin/java -cp '/ecj/*' org.eclipse.jdt.internal.compiler.batch.Main`;
  await runInside(root, `${java} -proc:none -source 17 -target 17 -d ${CLIENTS} ${CLIENTS}/Client.java`);
  await rm(`${root}/ecj`, { recursive: true });
}

/** With a /proc of its own, where Java's launcher looks for itself. */
async function runInside(root: string, script: string): Promise<void> {
  const apart = ['--mount', '--pid', '--fork', `--mount-proc=${root}/proc`, 'chroot', root];
  await commandOutput('unshare', [...apart, '/bin/sh', '-c', script]);
}

/** Package files from Debian's own archive alone: `install` adds all they depend on, as if nothing were installed. */
async function downloaded(
  verb: 'install' | 'download',
  packages: readonly string[],
  directory: string,
): Promise<readonly string[]> {
  await mkdir(`${directory}/partial`, { recursive: true });
  await writeFile(`${directory}/status`, '');
  await writeFile(`${directory}/pins`, 'Package: *\nPin: release o=Debian\nPin-Priority: 1001\n');
  const settings = [
    `Dir::State::status=${directory}/status`,
    `Dir::Etc::preferences=${directory}/pins`,
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::Cache::archives=${directory}`,
    'Debug::NoLocking=1',
    'APT::Sandbox::User=root',
  ].flatMap((setting) => ['-o', setting]);
  const how = ['-y', '-qq', '--no-install-recommends', '--download-only', ...settings, verb];
  await commandOutput('apt-get', [...how, ...packages], { timeoutMs: 300_000, cwd: directory });
  return (await readdir(directory))
    .filter((name) => name.endsWith('.deb'))
    .map((name) => `${directory}/${name}`);
}

async function unpack(files: readonly string[], root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  // Not `dpkg-deb -x`, which puts directories where the merged /usr has links.
  const into = `dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"`;
  for (const file of files) await commandOutput('sh', ['-c', into, 'sh', file, root]);
}
