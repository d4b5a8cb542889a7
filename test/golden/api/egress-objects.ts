import { bad, badToUs, good } from './object-case.ts';
import type { ObjectCase } from './object-case.ts';

/** Mediation and credentials, good and bad. */

const EGRESS = { network: { egress: { enabled: true } } };

function credential(rule: Record<string, unknown> = {}, source = 'KEY'): Record<string, unknown> {
  const as = { header: 'Authorization', format: 'Bearer ${value}' };
  return { source: { env: source }, inject: [{ hosts: ['api.example.com'], as, ...rule }] };
}

function withCredential(rule: Record<string, unknown>): Record<string, unknown> {
  return { ...EGRESS, env: { KEY: 'real' }, credentials: { KEY: credential(rule) } };
}

export const EGRESS_RULES: readonly ObjectCase[] = [
  good('a credential', withCredential({ hosts: ['api.example.com', '*.example.com', '192.0.2.1'] })),
  good('a credential from a Secret', {
    ...EGRESS,
    envFrom: [{ secretRef: { name: 's' } }],
    credentials: { KEY: credential() },
  }),
  good('a credential for everybody', withCredential({ hosts: undefined }), [
    'spec.credentials.KEY.inject[0]',
  ]),
  good('two headers for one host', {
    ...EGRESS,
    env: { A: 'x', B: 'y' },
    credentials: {
      A: credential({}, 'A'),
      B: credential({ as: { header: 'X-Key', format: '${value}' } }, 'B'),
    },
  }),
  bad('a credential without egress', { env: { KEY: 'x' }, credentials: { KEY: credential() } }, [
    'spec.credentials',
  ]),
  bad('egress without a network', { network: { enabled: false, egress: { enabled: true } } }, [
    'spec.network.egress.enabled',
  ]),
  bad('a credential without a source', { ...EGRESS, credentials: { KEY: credential() } }, [
    'spec.credentials.KEY.source.env',
  ]),
  badToUs('a credential with a blank source', { ...withCredential({}), env: { KEY: ' ' } }, [
    'spec.credentials.KEY.source.env',
  ]),
  bad('a format without a value', withCredential({ as: { header: 'X-Key', format: 'Bearer' } }), [
    'spec.credentials.KEY.inject[0].as.format',
  ]),
  badToUs(
    'a format with a line break',
    withCredential({ as: { header: 'X-Key', format: '${value}\r\nX: y' } }),
    ['spec.credentials.KEY.inject[0].as.format'],
  ),
  bad(
    'a header of the connection',
    withCredential({ as: { header: 'Content-Length', format: '${value}' } }),
    ['spec.credentials.KEY.inject[0].as.header'],
  ),
  ...['Expect', 'Sec-WebSocket-Key', 'HTTP2-Settings'].map((header) =>
    bad(`the header ${header}`, withCredential({ as: { header, format: '${value}' } }), [
      'spec.credentials.KEY.inject[0].as.header',
    ]),
  ),
  ...['$${value}', '${value} \u2192'].map((format) =>
    badToUs(`the format ${format}`, withCredential({ as: { header: 'X-Key', format } }), [
      'spec.credentials.KEY.inject[0].as.format',
    ]),
  ),
  good(
    'a value twice in one header',
    withCredential({ as: { header: 'X-Key', format: '${value}:${value}' } }),
  ),
  good(
    'wildcards over domains of their own',
    withCredential({ hosts: ['*.co.com', '*.example.co.uk', '*.com.example'] }),
  ),
  good(
    'a placeholder over a variable',
    { ...withCredential({}), env: { KEY: 'real', NAME: 'x' }, credentials: { NAME: credential() } },
    ['spec.env.NAME'],
  ),
  bad('a header with a space', withCredential({ as: { header: 'X Key', format: '${value}' } }), [
    'spec.credentials.KEY.inject[0].as.header',
  ]),
  bad(
    'no rule',
    { ...EGRESS, env: { KEY: 'x' }, credentials: { KEY: { source: { env: 'KEY' }, inject: [] } } },
    ['spec.credentials.KEY.inject'],
  ),
  ...['https://api.example.com', 'api.example.com/v1', 'a_b.example.com'].map((host) =>
    bad(`the host ${host}`, withCredential({ hosts: [host] }), ['spec.credentials.KEY.inject[0].hosts[0]']),
  ),
  ...['api.example.com:443', '*', '*.com', '*.co.uk', '*.COM.AU.', 'api.*.com', '*.192.0.2.1', '1.2.3'].map(
    (host) =>
      badToUs(`the host ${host}`, withCredential({ hosts: [host] }), [
        'spec.credentials.KEY.inject[0].hosts[0]',
      ]),
  ),
  badToUs(
    'two rules for one header and overlapping hosts',
    {
      ...EGRESS,
      env: { A: 'x', B: 'y' },
      credentials: { A: credential({ hosts: ['*.example.com'] }, 'A'), B: credential({}, 'B') },
    },
    ['spec.credentials.B.inject[0]'],
  ),
  good('a limit without a network', { network: { enabled: false, bandwidthUpload: '1MB/s' } }, [
    'spec.network.bandwidthUpload',
  ]),
];
