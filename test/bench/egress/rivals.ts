import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ChildProcess } from 'node:child_process';
import { CORES, endProcess, startOn } from './processes.ts';
import { GRANTED, UPSTREAM, VALUE, untilListening } from './stage.ts';
import type { BenchStage } from './stage.ts';

const run = promisify(execFile);

/** Another proxy that sets the same header, on the proxy's core. */
export type Rival = {
  readonly name: string;
  readonly port: number;
  readonly ca: string;
  readonly pid: number;
  close(): Promise<void>;
};

/** Both from Debian; one that is not installed is left out, with a word on how to install it. */
export async function openRivals(
  stage: BenchStage,
  to: { readonly say: (text: string) => void; readonly onOpen: (rival: Rival) => void },
): Promise<void> {
  if (existsSync('/usr/bin/mitmdump')) await openMitmproxy(stage, to.onOpen);
  else to.say('without mitmproxy: apt-get install mitmproxy');
  if (existsSync('/usr/lib/squid/security_file_certgen')) await openSquid(stage, to.onOpen);
  else to.say('without Squid: apt-get install squid-openssl');
}

async function openMitmproxy(
  { root, upstreamCa }: BenchStage,
  onOpen: (rival: Rival) => void,
): Promise<void> {
  const directory = `${root}/mitmproxy`;
  mkdirSync(directory);
  const addon = `${directory}/addon.py`;
  writeFileSync(
    addon,
    [
      'def server_connect(data):',
      `    data.server.address = ("${UPSTREAM}", 443)`,
      'def requestheaders(flow):',
      `    if flow.request.host == "${GRANTED}" or flow.request.pretty_host == "${GRANTED}":`,
      `        flow.request.headers["authorization"] = "Bearer ${VALUE}"`,
      '',
    ].join('\n'),
  );
  const port = 18_081;
  const set = (option: string) => ['--set', option];
  const child = startOn(CORES.proxy, [
    ...['mitmdump', '-q', '--listen-host', '127.0.0.1', '-p', String(port), '-s', addon],
    ...set(`confdir=${directory}`),
    ...set(`ssl_verify_upstream_trusted_ca=${upstreamCa}`),
    ...set('flow_detail=0'),
    ...set('http2=false'),
  ]);
  onOpen(rivalOf('mitmproxy', child, { port, ca: `${directory}/mitmproxy-ca-cert.pem` }));
  await untilListening('127.0.0.1', port);
}

async function openSquid({ root, upstreamCa }: BenchStage, onOpen: (rival: Rival) => void): Promise<void> {
  const directory = `${root}/squid`;
  mkdirSync(directory, { mode: 0o777 });
  const ca = `${directory}/ca.pem`;
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=bench squid'],
    ...['-addext', 'keyUsage=critical,keyCertSign', '-keyout', `${directory}/ca.key`, '-out', ca],
  ]);
  await run('/usr/lib/squid/security_file_certgen', ['-c', '-s', `${directory}/certs`, '-M', '4MB']);
  writeFileSync(`${directory}/hosts`, `${UPSTREAM} ${GRANTED}\n`);
  const port = 18_082;
  writeFileSync(
    `${directory}/squid.conf`,
    [
      `http_port 127.0.0.1:${port} ssl-bump generate-host-certificates=on tls-cert=${ca} tls-key=${directory}/ca.key`,
      `sslcrtd_program /usr/lib/squid/security_file_certgen -s ${directory}/certs -M 4MB`,
      'sslcrtd_children 2',
      ...['acl step1 at_step SslBump1', 'ssl_bump peek step1', 'ssl_bump bump all'],
      ...[`tls_outgoing_options cafile=${upstreamCa}`, `hosts_file ${directory}/hosts`],
      ...[`acl granted dstdomain ${GRANTED}`, 'request_header_access Authorization deny granted'],
      `request_header_add Authorization "Bearer ${VALUE}" granted`,
      ...['http_access allow all', 'cache deny all', 'access_log none', 'shutdown_lifetime 0 seconds'],
      ...[`cache_log ${directory}/cache.log`, `pid_filename ${directory}/squid.pid`, 'workers 1'],
      ...[`coredump_dir ${directory}`, 'pinger_enable off', ''],
    ].join('\n'),
  );
  // Squid gives root up for this user of Debian's.
  await run('chown', ['-R', 'proxy:proxy', directory]);
  const child = startOn(CORES.proxy, ['squid', '--foreground', '-f', `${directory}/squid.conf`]);
  onOpen(rivalOf('Squid ssl-bump', child, { port, ca }));
  await untilListening('127.0.0.1', port);
}

function rivalOf(
  name: string,
  child: ChildProcess,
  at: { readonly port: number; readonly ca: string },
): Rival {
  return { name, ...at, pid: child.pid ?? 0, close: () => endProcess(child) };
}
