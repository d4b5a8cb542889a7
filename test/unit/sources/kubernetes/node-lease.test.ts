import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { ApiRequest, ApiServer } from '../../../../src/sources/kubernetes/api-server.ts';
import { NodeLease } from '../../../../src/sources/kubernetes/node-lease.ts';

const NAMESPACE_MISSING = {
  status: 404,
  body: { reason: 'NotFound', message: 'namespaces "hypeman-nodes" not found' },
};

test('a namespace that is not there is told once, and the Lease is made as soon as it is', async () => {
  const lines: string[] = [];
  const asked: ApiRequest[] = [];
  const api: ApiServer = {
    ask: (request) => {
      asked.push(request);
      const isMade = request.method === 'POST' && asked.length > 4;
      return Promise.resolve(isMade ? { status: 201, body: {} } : NAMESPACE_MISSING);
    },
    stream: () => Promise.reject(new Error('nothing is followed')),
    close: () => undefined,
  };
  const lease = new NodeLease({
    api,
    nodeName: 'node-a',
    log: pino({}, { write: (line: string) => lines.push(line) }),
    host: { directory: 'a', lock: 'b' },
    version: '1',
    abilities: () => Promise.resolve({ hypervisors: [], hasKvm: false }),
    onLost: () => undefined,
  });
  await lease.acquire();
  lease.close();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('hypeman-nodes');
});
