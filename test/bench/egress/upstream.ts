import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createSecureContext } from 'node:tls';
import { backwards } from './load.ts';

/**
 * `upstream.ts ADDRESS PROCESSES HOST=PREFIX...`: answers with what it saw in `authorization`, backwards, since
 * a proxy may scrub a value that comes straight back. `PREFIX.key` and `PREFIX.crt` are PEM.
 */
const [address = '', processes = '1', ...hosts] = process.argv.slice(2);

/** As much as facts/egress.md 5.1 measured with. */
const BODY_BYTES = 240;

if (cluster.isPrimary) for (let count = 0; count < Number(processes); count += 1) cluster.fork();
else serve();

function serve(): void {
  const contexts = new Map(
    hosts.map((pair) => {
      const [host = '', prefix = ''] = pair.split('=');
      const [key, cert] = ['key', 'crt'].map((end) => readFileSync(`${prefix}.${end}`, 'utf8'));
      return [host, { key, cert }] as const;
    }),
  );
  const [first] = contexts.values();
  const made = new Map([...contexts].map(([host, pem]) => [host, createSecureContext(pem)]));
  createServer(
    {
      ...first,
      SNICallback: (name, done) => {
        done(null, made.get(name));
      },
    },
    (request, response) => {
      request.resume();
      const saw = backwards(request.headers.authorization ?? 'nothing');
      const body = JSON.stringify({ saw, pad: '' }).padEnd(BODY_BYTES);
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
        .end(body);
    },
  ).listen(443, address);
}
