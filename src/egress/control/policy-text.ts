import { isIP } from 'node:net';
import { Secret } from '../../secrets/secret.ts';
import type { Grant, Policy } from '../policy.ts';
import { badMessage, fieldsIn, listIn, oneOf, textIn, textsIn, wholeIn } from './fields.ts';
import type { Fields } from './fields.ts';

/** Safe as the name of a directory: a CUID2 is. */
const INSTANCE = /^[A-Za-z0-9_-]{1,64}$/;
/** A token in lower case (RFC 9110 section 5.6.2). */
const HEADER = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** What Node writes as a header's value without throwing (RFC 9110 section 5.5): no CR, LF or NUL. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;
/** Headers that frame or route a message; one of these with a secret in it would be an attack, not a grant. */
const FRAMING = new Set([
  ...[
    'connection',
    'content-length',
    'expect',
    'host',
    'keep-alive',
    'proxy-authenticate',
    'proxy-connection',
  ],
  ...['proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
]);
export const MOST_GRANTS = 1024;
const MOST_HOSTS = 1024;
export const LONGEST_NAME = 512;
/** Far above what servers read: 8 KiB of headers is common, 64 KiB rare. In characters, of which each is a byte. */
export const LONGEST_VALUE = 64 * 1024;

/** The policy with its values: the one place where they are revealed to leave the controller. */
export function policyText(policy: Policy): object {
  return { ...policy, grants: policy.grants.map((grant) => ({ ...grant, value: grant.value?.reveal() })) };
}

/** Reads what `policyText` wrote. Throws `BadMessage`, which never quotes anything. */
export function parsePolicy(value: unknown): Policy {
  const fields = fieldsIn(value, 'policy');
  return {
    instance: parseInstance(fields),
    key: textIn(fields, 'key', LONGEST_NAME),
    guest: addressIn(fields, 'guest'),
    gateway: addressIn(fields, 'gateway'),
    mode: oneOf(fields, 'mode', ['all', 'http_https_only', 'offered']),
    generation: wholeIn(fields, 'generation'),
    grants: listIn(fields, 'grants', MOST_GRANTS).map((grant, at) =>
      parseGrant(fieldsIn(grant, `grant ${at}`)),
    ),
  };
}

export function parseInstance(fields: Fields): string {
  const instance = textIn(fields, 'instance', 64);
  if (INSTANCE.test(instance)) return instance;
  throw badMessage('instance is not an id');
}

function parseGrant(fields: Fields): Grant {
  const credential = textIn(fields, 'credential', LONGEST_NAME);
  const header = textIn(fields, 'header', LONGEST_NAME);
  if (!HEADER.test(header) || FRAMING.has(header)) throw badMessage('header is not one that can be set');
  const format = textIn(fields, 'format', LONGEST_VALUE);
  if (!format.includes('${value}') || !HEADER_VALUE.test(format))
    throw badMessage('format is not a header value with ${value} in it');
  return {
    ...{ credential, header, format },
    sourceEnv: textIn(fields, 'sourceEnv', LONGEST_VALUE),
    hosts: textsIn(fields, 'hosts', MOST_HOSTS, LONGEST_NAME),
    when: oneOf(fields, 'when', ['always', 'placeholder']),
    placeholder: textIn(fields, 'placeholder', LONGEST_NAME),
    ...(fields.value === undefined ? {} : { value: valueIn(fields) }),
  };
}

function valueIn(fields: Fields): Secret {
  const value = textIn(fields, 'value', LONGEST_VALUE);
  if (!HEADER_VALUE.test(value)) throw badMessage('value has characters that no header can carry');
  return new Secret(value);
}

function addressIn(fields: Fields, name: string): string {
  const address = textIn(fields, name, 64);
  if (isIP(address) !== 0) return address;
  throw badMessage(`${name} is not an address`);
}
