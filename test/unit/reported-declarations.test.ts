import { expect, test } from 'vitest';
import { keyOf } from '../../src/machine/ids.ts';
import { reportedDeclarations, supposedEnvironment } from '../../src/reported-declarations.ts';
import { readCrd } from '../../src/sources/crd.ts';
import { reported } from '../support/cli-run.ts';

const WEB = keyOf('default', 'web');
const crd = await readCrd();

test('what is reported is read as it was declared', () => {
  const spec = { image: 'a/b', vcpus: 3, volumes: [{ volume: 'data', mountPath: '/data' }] };
  const found = reportedDeclarations([reported('web', { spec })], crd).get(WEB);
  expect(found).toMatchObject({ name: 'web', namespace: 'default' });
  expect(found?.spec).toMatchObject({ vcpus: 3, volumes: [{ volume: 'data', readonly: false }] });
});

test('what was never valid, or is not any more, is not declared', () => {
  const { apiVersion, kind, metadata, status, events } = reported('web');
  const never = { apiVersion, kind, metadata, status, events };
  expect(reportedDeclarations([never], crd).size).toBe(0);
  expect(reportedDeclarations([reported('web', { spec: { image: 'a/b', vcpus: -1 } })], crd).size).toBe(0);
});

test('every name that a plan asks for has some value, the sources of credentials too', () => {
  const spec = {
    image: 'a/b',
    env: { PORT: '[hidden]' },
    envFrom: [{ secretRef: { name: 'app' } }],
    network: { egress: { enabled: true } },
    credentials: {
      api: {
        source: { env: 'KEY' },
        inject: [{ hosts: ['api.example.com'], as: { header: 'Authorization', format: '${value}' } }],
      },
    },
  };
  const found = reportedDeclarations([reported('web', { spec })], crd).get(WEB);
  if (found === undefined) throw new Error('it is valid');
  const environment = supposedEnvironment(found);
  expect(environment.is === 'ready' && Object.keys(environment.values).sort()).toEqual(['KEY', 'PORT']);
});
