import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandOutput } from '../../src/host/exec.ts';

/** Debian's docker-registry on loopback, with TLS and a password. */
export type TestRegistry = {
  /** `127.0.0.1:PORT`: the domain of its references. */
  readonly domain: string;
  /** What a client needs to trust it: a directory with `ca.crt`, as containers-certs.d(5) has it. */
  readonly certDirectory: string;
  /** A docker config.json with the right password, and one with a wrong one. */
  readonly authFile: string;
  readonly wrongAuthFile: string;
  /** A directory with the certificate of an authority that did not sign the registry's. */
  readonly wrongCertDirectory: string;
  /** Pushes `oci:DIR[:TAG]`, an index with all its platforms, as `NAME:TAG`; returns the full reference. */
  push(ociReference: string, nameAndTag: string): Promise<string>;
  /** Ends the process and waits for it; what was pushed stays until `remove`. */
  stop(): Promise<void>;
  /** Starts it again under the same address; one that runs is left alone. */
  start(): Promise<void>;
  /** Stops, and removes everything. */
  remove(): Promise<void>;
};

const USER = 'tester';
const PASSWORD = 'right horse';
const UP_WITHIN_MS = 15_000;

/** Starts a registry that holds nothing. The caller owes it `remove()`. */
export async function startRegistry(): Promise<TestRegistry> {
  const directory = await mkdtemp(`${tmpdir()}/hypeman-registry-`);
  const port = await freePort();
  const domain = `127.0.0.1:${port}`;
  const file = (name: string): string => `${directory}/${name}`;
  for (const name of ['certs', 'wrong-certs', 'blobs']) await mkdir(file(name));
  await makeAuthority(file('certs'));
  await makeAuthority(file('wrong-certs'));
  await makeServerCertificate(directory);
  await writeFile(
    file('htpasswd'),
    await commandOutput('htpasswd', ['-niB', USER], { input: `${PASSWORD}\n` }),
  );
  await writeAuthFile(file('auth.json'), domain, PASSWORD);
  await writeAuthFile(file('wrong-auth.json'), domain, 'wrong horse');
  await writeFile(file('config.yml'), configFor(directory, domain));

  let child: ChildProcess | undefined;
  const killed = (): void => {
    child?.kill('SIGKILL');
  };
  process.once('exit', killed);
  const start = async (): Promise<void> => {
    if (child !== undefined) return;
    child = await serve(directory);
    await answers(port, child, file('log'));
  };
  const stop = async (): Promise<void> => {
    if (child === undefined) return;
    await end(child);
    child = undefined;
  };
  try {
    await start();
  } catch (error) {
    await stop();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    domain,
    certDirectory: file('certs'),
    authFile: file('auth.json'),
    wrongAuthFile: file('wrong-auth.json'),
    wrongCertDirectory: file('wrong-certs'),
    push: async (ociReference, nameAndTag) => {
      const reference = `${domain}/${nameAndTag}`;
      const trust = ['--dest-cert-dir', file('certs'), '--authfile', file('auth.json')];
      await commandOutput('skopeo', ['copy', '--all', ...trust, ociReference, `docker://${reference}`]);
      return reference;
    },
    stop,
    start,
    remove: async () => {
      await stop();
      process.off('exit', killed);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function serve(directory: string): Promise<ChildProcess> {
  const log = await open(`${directory}/log`, 'a');
  const child = spawn('docker-registry', ['serve', `${directory}/config.yml`], {
    stdio: ['ignore', log.fd, log.fd],
  });
  await once(child, 'spawn');
  await log.close();
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function answers(port: number, child: ChildProcess, logFile: string): Promise<void> {
  const deadline = Date.now() + UP_WITHIN_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const socket = connect({ port, host: '127.0.0.1' });
    const up = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (up) return;
    await sleep(50);
  }
  throw new Error(`docker-registry does not answer: ${await readFile(logFile, 'utf8')}`);
}

async function makeAuthority(directory: string): Promise<void> {
  const args =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-authority';
  await commandOutput('openssl', [
    ...args.split(' '),
    '-keyout',
    `${directory}/ca-key.pem`,
    '-out',
    `${directory}/ca.crt`,
  ]);
}

async function makeServerCertificate(directory: string): Promise<void> {
  const [key, request, certificate] = ['key.pem', 'request.pem', 'cert.pem'].map(
    (name) => `${directory}/${name}`,
  );
  const extensions = `${directory}/extensions`;
  await writeFile(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const curve = 'req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test-registry'.split(
    ' ',
  );
  await commandOutput('openssl', [...curve, '-keyout', `${key}`, '-out', `${request}`]);
  const signer = [
    '-CA',
    `${directory}/certs/ca.crt`,
    '-CAkey',
    `${directory}/certs/ca-key.pem`,
    '-CAcreateserial',
  ];
  const sign = [
    'x509',
    '-req',
    '-days',
    '2',
    '-in',
    `${request}`,
    '-extfile',
    extensions,
    '-out',
    `${certificate}`,
  ];
  await commandOutput('openssl', [...sign, ...signer]);
}

async function writeAuthFile(path: string, domain: string, password: string): Promise<void> {
  const auth = Buffer.from(`${USER}:${password}`).toString('base64');
  await writeFile(path, JSON.stringify({ auths: { [domain]: { auth } } }), { mode: 0o600 });
}

function configFor(directory: string, domain: string): string {
  return `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: ${directory}/blobs}, delete: {enabled: true}}
http:
  addr: ${domain}
  tls: {certificate: ${directory}/cert.pem, key: ${directory}/key.pem}
auth: {htpasswd: {realm: test, path: ${directory}/htpasswd}}
`;
}
