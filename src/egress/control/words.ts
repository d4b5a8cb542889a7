import { HypemanError, fateOf, messageOf, reasonOf } from '../../errors.ts';
import type { InForce } from '../egress.ts';
import type { Policy } from '../policy.ts';
import { badMessage, fieldsIn, oneOf, textIn, textsIn, wholeIn } from './fields.ts';
import type { Fields } from './fields.ts';
import { LONGEST_NAME, MOST_GRANTS, parseInstance, parsePolicy } from './policy-text.ts';

/** One line is one message. A policy of 1,024 grants with ordinary values fits many times over. */
export const LONGEST_LINE = 4 * 1024 * 1024;
/** Opaque to the process. */
const LONGEST_REVISION = 256;

/** What a controller, or whoever root lets in, can ask. Changes need `take-control` first. */
export type Request =
  | { readonly ask: 'ping' }
  | { readonly ask: 'take-control' }
  | { readonly ask: 'put-policy'; readonly policy: Policy; readonly revision: string }
  | { readonly ask: 'remove-policy'; readonly instance: string; readonly forget: boolean }
  | { readonly ask: 'list' }
  | { readonly ask: 'counters'; readonly instance?: string }
  | { readonly ask: 'decisions'; readonly instance?: string; readonly follow: boolean };

/** What `list` answers: policies in force, and instances with a CA on disk. */
export type Listed = { readonly inForce: readonly InForce[]; readonly kept: readonly string[] };

const ASKS = [
  ...(['ping', 'take-control', 'put-policy', 'remove-policy', 'list', 'counters', 'decisions'] as const),
];

/** The number by which answers name their request. */
export function idOf(fields: Fields): number {
  return wholeIn(fields, 'id');
}

export function parseRequest(fields: Fields): Request {
  const ask = oneOf(fields, 'ask', ASKS);
  switch (ask) {
    case 'put-policy':
      return {
        ask,
        policy: parsePolicy(fields.policy),
        revision: textIn(fields, 'revision', LONGEST_REVISION),
      };
    case 'remove-policy':
      return { ask, instance: parseInstance(fields), forget: fields.forget === true };
    case 'counters':
      return { ask, ...instanceIfGiven(fields) };
    case 'decisions':
      return { ask, ...instanceIfGiven(fields), follow: fields.follow === true };
    case 'ping':
    case 'take-control':
    case 'list':
      return { ask };
  }
}

/** How an error travels: never with its cause, which may hold anything. */
export function refusalOf(error: unknown): object {
  if (!(error instanceof HypemanError))
    return {
      is: 'refused',
      fate: 'bug',
      reason: 'UnexpectedError',
      message: 'the egress process made a mistake',
    };
  return { is: 'refused', fate: fateOf(error), reason: reasonOf(error), message: messageOf(error) };
}

export function parseRefusal(fields: Fields): HypemanError {
  const fate = oneOf(fields, 'fate', ['invalid', 'transient', 'bug']);
  return new HypemanError(fate, textIn(fields, 'reason', 64), textIn(fields, 'message', 4096));
}

export function parseInForce(value: unknown): InForce {
  const fields = fieldsIn(value, 'answer');
  const ports = fieldsIn(fields.ports, 'ports');
  return {
    instance: parseInstance(fields),
    key: textIn(fields, 'key', 512),
    generation: wholeIn(fields, 'generation'),
    revision: textIn(fields, 'revision', LONGEST_REVISION),
    ports: {
      explicit: portIn(ports, 'explicit'),
      tls: portIn(ports, 'tls'),
      http: portIn(ports, 'http'),
      dns: portIn(ports, 'dns'),
    },
    // A process of an earlier version has every value.
    lacking: fields.lacking === undefined ? [] : textsIn(fields, 'lacking', MOST_GRANTS, LONGEST_NAME),
    certificate: certificateIn(fields),
  };
}

function portIn(ports: Fields, name: string): number {
  return wholeIn(ports, name, 65_535);
}

function certificateIn(fields: Fields): string {
  const pem = textIn(fields, 'certificate', 8192);
  if (/^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n$/.test(pem)) return pem;
  throw badMessage('certificate is not one in PEM');
}

function instanceIfGiven(fields: Fields): { readonly instance?: string } {
  return fields.instance === undefined ? {} : { instance: parseInstance(fields) };
}
