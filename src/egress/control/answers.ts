import type { CredentialCounters, InstanceCounters, Tally } from '../audit-trail.ts';
import type { Decision } from '../audit.ts';
import type { Followed } from '../egress.ts';
import { badMessage, fieldsIn, oneOf, textIn, textsIn, wholeIn } from './fields.ts';
import type { Fields } from './fields.ts';

const LONGEST = 1024;
/** Of all rules of one credential. */
const MOST_HOSTS = 1_048_576;

export function parseFollowed(fields: Fields): Followed {
  if (fields.is === 'missed') return { is: 'missed', count: wholeIn(fields, 'count') };
  return { is: 'decision', decision: parseDecision(fieldsIn(fields.decision, 'decision')) };
}

export function parseCounters(answer: unknown): readonly InstanceCounters[] {
  if (!Array.isArray(answer)) throw badMessage('counters are not a list');
  return answer.map((one) => parseInstanceCounters(fieldsIn(one, 'counters')));
}

function parseDecision(fields: Fields): Decision {
  return {
    at: wholeIn(fields, 'at'),
    instance: textIn(fields, 'instance', LONGEST),
    key: textIn(fields, 'key', LONGEST),
    // Empty where a connection was refused before it named one.
    host: fields.host === '' ? '' : textIn(fields, 'host', LONGEST),
    way: oneOf(fields, 'way', ['explicit', 'tls', 'http', 'dns']),
    verdict: oneOf(fields, 'verdict', ['injected', 'forwarded', 'spliced', 'refused', 'failed']),
    reason: textIn(fields, 'reason', LONGEST),
    credentials: textsIn(fields, 'credentials', LONGEST, LONGEST),
  };
}

function parseInstanceCounters(fields: Fields): InstanceCounters {
  const credentials = Object.entries(fieldsIn(fields.credentials, 'credentials'));
  return {
    instance: textIn(fields, 'instance', LONGEST),
    key: textIn(fields, 'key', LONGEST),
    verdicts: tallyIn(fields, 'verdicts'),
    resolved: wholeIn(fields, 'resolved'),
    refusals: tallyIn(fields, 'refusals'),
    credentials: Object.fromEntries(
      credentials.map(([name, value]) => [name, parseCredential(fieldsIn(value, 'credential'))]),
    ),
  };
}

function parseCredential(fields: Fields): CredentialCounters {
  return {
    hosts: textsIn(fields, 'hosts', MOST_HOSTS, LONGEST),
    injected: wholeIn(fields, 'injected'),
    ...(fields.lastUsed === undefined ? {} : { lastUsed: wholeIn(fields, 'lastUsed') }),
    refusals: tallyIn(fields, 'refusals'),
    leaks: wholeIn(fields, 'leaks'),
    ...(fields.lastLeakHost === undefined ? {} : { lastLeakHost: textIn(fields, 'lastLeakHost', LONGEST) }),
  };
}

function tallyIn(fields: Fields, name: string): Tally {
  const tally = fieldsIn(fields[name], name);
  return Object.fromEntries(Object.keys(tally).map((reason) => [reason, wholeIn(tally, reason)]));
}
