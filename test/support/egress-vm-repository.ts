import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { commandOutput } from '../../src/host/exec.ts';

/** What one needs to be let in: `git` with this password. */
export const REPOSITORY_TOKEN = 'git-token-0001';
export const README = 'a private repository\n';
const BASIC = `Basic ${Buffer.from(`git:${REPOSITORY_TOKEN}`).toString('base64')}`;

/** Makes a private repository and returns who serves it by git's own smart HTTP program (git-http-backend(1)). */
export async function openRepository(
  directory: string,
): Promise<(request: IncomingMessage, response: ServerResponse) => Promise<void>> {
  const bare = `${directory}/repository.git`;
  await mkdir(`${directory}/work`, { recursive: true });
  await writeFile(`${directory}/work/README`, README);
  const who = ['-c', 'user.name=nobody', '-c', 'user.email=nobody@nowhere'];
  const git = (...args: readonly string[]): Promise<string> =>
    commandOutput('git', ['-C', `${directory}/work`, ...who, ...args]);
  await git('init', '-q');
  await git('add', 'README');
  await git('commit', '-q', '-m', 'first');
  await commandOutput('git', ['clone', '-q', '--bare', `${directory}/work`, bare]);
  return (request, response) => serve(directory, request, response);
}

async function serve(directory: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.headers.authorization !== BASIC) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="private"' }).end();
    return;
  }
  const child = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: settingsFor(directory, request),
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => undefined);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  const answer = Buffer.concat(chunks);
  const end = answer.indexOf('\r\n\r\n');
  response.writeHead(statusIn(answer.subarray(0, end).toString(), response));
  response.end(answer.subarray(end + 4));
}

/** RFC 3875, section 4.1. */
function settingsFor(directory: string, { url, method, headers }: IncomingMessage): Record<string, string> {
  const at = new URL(url ?? '/', 'https://localhost');
  return {
    ...{ PATH: '/usr/bin:/bin', GIT_PROJECT_ROOT: directory, GIT_HTTP_EXPORT_ALL: '1' },
    ...{ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
    ...{ PATH_INFO: at.pathname, QUERY_STRING: at.search.slice(1), REQUEST_METHOD: method ?? '' },
    CONTENT_TYPE: headers['content-type'] ?? '',
    HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
    GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
  };
}

/** Sets the other headers of a CGI answer on the way (RFC 3875, section 6.3). */
function statusIn(head: string, response: ServerResponse): number {
  let status = 200;
  for (const line of head.split('\r\n')) {
    const [name = '', value = ''] = line.split(': ');
    if (name === 'Status') status = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
  return status;
}
