import type { Grant, Policy } from '../policy.ts';
import type { Host } from './host-name.ts';
import { grantCovers, grantsFor } from './matching.ts';
import { refusal } from './refusal.ts';

export type Field = [name: string, value: string];
/** A value that must not come back to the guest, and what it sees instead. */
export type Echo = { readonly value: string; readonly placeholder: string };

export type Outgoing = {
  /** What the guest sent, without the fields of its own hop, with our headers set. */
  readonly fields: readonly Field[];
  readonly used: readonly Grant[];
  readonly echoes: readonly Echo[];
  /** Credentials whose placeholder goes to a host that has no rule for them, or goes there in clear. */
  readonly leaked: readonly string[];
};

/**
 * RFC 9110 section 7.6.1, the older `Proxy-Connection` and `HTTP2-Settings`; and what frames or routes the
 * message, which we write ourselves.
 */
const OURS = new Set([
  'connection',
  'content-length',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** RFC 9110 section 5.5: visible characters, spaces, tabs, and the bytes of other alphabets. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;

/** Names and values in turn, as Node gives them, in pairs. */
export function pairsOf(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) fields.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return fields;
}

/** The fields that travel on: neither those of this hop, nor those that `Connection` names. */
export function endToEnd(fields: readonly Field[]): Field[] {
  const nominated = new Set<string>();
  for (const [name, value] of fields) {
    if (name.toLowerCase() !== 'connection') continue;
    for (const token of value.split(',')) nominated.add(token.trim().toLowerCase());
  }
  return fields.filter(([name]) => {
    const lower = name.toLowerCase();
    return !OURS.has(lower) && !nominated.has(lower);
  });
}

/**
 * The fields of a request to `host`. Over TLS each grant for it sets its header by template: once, and
 * whatever the guest sent under that name is gone. Plain HTTP carries no secret. Throws
 * `CredentialUnusable` for a value that no header can carry, `CredentialMissing` where there is none.
 */
export function outgoingFields(
  sent: readonly Field[],
  to: { readonly policy: Policy; readonly host: Host; readonly path: string; readonly isTls: boolean },
): Outgoing {
  const grants = to.isTls ? grantsFor(to.policy, to.host.name) : [];
  const used = grants.filter((grant) => grant.when === 'always' || holdsPlaceholder(sent, grant));
  let fields = endToEnd(sent);
  for (const grant of used) {
    const spelled = sent.find(([name]) => name.toLowerCase() === grant.header)?.[0] ?? grant.header;
    fields = fields.filter(([name]) => name.toLowerCase() !== grant.header);
    fields.push([spelled, rendered(grant)]);
  }
  const leaked = to.policy.grants.filter(
    ({ credential, placeholder }) =>
      isSent(fields, to.path, placeholder) && !grants.some((one) => one.credential === credential),
  );
  const echoes = used.map((grant) => ({ value: valueOf(grant), placeholder: grant.placeholder }));
  return { fields, used, echoes, leaked: [...new Set(leaked.map((grant) => grant.credential))] };
}

/** Whether all that a running exchange was given is still granted; its value may be another one now. */
export function isStillGranted(policy: Policy, used: readonly Grant[], host: string): boolean {
  return used.every((grant) =>
    policy.grants.some(
      (now) =>
        now.credential === grant.credential &&
        now.header === grant.header &&
        now.value !== undefined &&
        grantCovers(now, host),
    ),
  );
}

/**
 * Takes our values out of what the upstream answers: a debug page's header echo would hand the guest the
 * secret. Values under 4 characters stay, as they would be found everywhere by chance.
 */
export function scrubbed(fields: readonly Field[], echoes: readonly Echo[]): readonly Field[] {
  const long = echoes.filter(({ value }) => value.length >= 4);
  if (!fields.some(([, text]) => long.some(({ value }) => text.includes(value)))) return fields;
  return fields.map(([name, text]) => [name, scrubbedText(text, long)]);
}

function scrubbedText(text: string, echoes: readonly Echo[]): string {
  return echoes.reduce((left, { value, placeholder }) => left.replaceAll(value, () => placeholder), text);
}

function rendered(grant: Grant): string {
  // The function form: `$&` in a secret is a secret, not a pattern.
  const value = valueOf(grant);
  const text = grant.format.replaceAll('${value}', () => value);
  if (!FIELD_VALUE.test(text) || OURS.has(grant.header))
    throw refusal('CredentialUnusable', `the credential ${grant.credential} does not fit into its header`);
  return text;
}

/** Another credential, or the bare placeholder, would not be what is declared for this request. */
function valueOf({ credential, value }: Grant): string {
  if (value !== undefined) return value.reveal();
  throw refusal('CredentialMissing', `the value of the credential ${credential} is not there now`);
}

function holdsPlaceholder(sent: readonly Field[], { header, placeholder }: Grant): boolean {
  return sent.some(([name, value]) => name.toLowerCase() === header && decoded(value).includes(placeholder));
}

/** HTTP Basic hides the placeholder in base64 (RFC 7617). */
function decoded(value: string): string {
  const basic = /^basic +([A-Za-z0-9+/=]+)$/i.exec(value)?.[1];
  return basic === undefined ? value : `${value} ${Buffer.from(basic, 'base64').toString('latin1')}`;
}

function isSent(fields: readonly Field[], path: string, placeholder: string): boolean {
  return path.includes(placeholder) || fields.some(([, value]) => decoded(value).includes(placeholder));
}
