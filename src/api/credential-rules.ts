import { ENV_NAME_RULE, isEnvName } from './environment-rules.ts';
import { parseHost, wildcardOver } from './hosts.ts';
import type { Problem } from './instance.ts';
import { problem, type Pointer } from './problem.ts';
import { listOf, mappingOf, textAt, valueAt } from './raw.ts';

/**
 * RFC 9110 sections 7.2, 7.6.1 and 10.1.1, RFC 9113 section 8.2.2, RFC 6455 section 11.3: these belong to one
 * connection, frame the message, or are answered with a digest of what they hold.
 */
const FORBIDDEN_HEADERS = [
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-authenticate'],
  ...['proxy-authorization', 'proxy-connection', 'te', 'trailer', 'upgrade', 'expect', 'http2-settings'],
  ...['sec-websocket-key', 'sec-websocket-accept', 'sec-websocket-version', 'sec-websocket-extensions'],
];

const EVERYTHING = '*';

export type Rule = {
  readonly at: Pointer;
  readonly header: string;
  readonly format: string;
  readonly hosts: readonly string[] | undefined;
};

export const EGRESS_MISSING = problem(
  ['spec', 'credentials'],
  'credentials require network.egress.enabled: true: add it',
);

/** What is wrong with the credentials of a spec, taken together with env and egress: a fork may inherit these two. */
export function credentialProblems(spec: unknown): readonly Problem[] {
  const credentials = Object.entries(mappingOf(valueAt(spec, ['credentials'])));
  if (credentials.length === 0) return [];
  const isMediated = isFork(spec) || valueAt(spec, ['network', 'egress', 'enabled']) === true;
  return [
    ...(isMediated ? [] : [EGRESS_MISSING]),
    ...credentials.flatMap(([name]) => nameProblems(name)),
    ...credentials.flatMap(([name, credential]) => sourceProblems(spec, name, credential)),
    ...rulesOf(spec).flatMap(ruleProblems),
    ...overlapProblems(rulesOf(spec)),
  ];
}

/** What is allowed and seldom meant. */
export function credentialWarnings(spec: unknown): readonly Problem[] {
  const everywhere = rulesOf(spec)
    .filter(({ hosts }) => hosts === undefined || hosts.length === 0)
    .map(({ at }) =>
      problem(at, 'no hosts are given, so the secret goes to every destination: list the hosts'),
    );
  return [...everywhere, ...hidingWarnings(spec)];
}

/** The placeholder takes the place of a variable that was declared for the guest. */
function hidingWarnings(spec: unknown): readonly Problem[] {
  const credentials = Object.entries(mappingOf(valueAt(spec, ['credentials'])));
  const sources = credentials.map(([, credential]) => textAt(credential, ['source', 'env']));
  return credentials
    .filter(([name]) => valueAt(spec, ['env', name]) !== undefined && !sources.includes(name))
    .map(([name]) =>
      problem(
        ['spec', 'env', name],
        `the guest gets the placeholder of credential ${name} instead: rename one of the two`,
      ),
    );
}

function isFork(spec: unknown): boolean {
  return valueAt(spec, ['forkFrom']) !== undefined;
}

function nameProblems(name: string): readonly Problem[] {
  if (isEnvName(name)) return [];
  return [problem(['spec', 'credentials', name], `the name is a variable of the guest and ${ENV_NAME_RULE}`)];
}

function sourceProblems(spec: unknown, name: string, credential: unknown): readonly Problem[] {
  const key = textAt(credential, ['source', 'env']);
  if (key === undefined || key === '') return [];
  const at = ['spec', 'credentials', name, 'source', 'env'];
  const value = valueAt(spec, ['env', key]);
  if (value === undefined) {
    // What a Secret or a file holds is known only when it is read.
    const mayComeFromElsewhere = isFork(spec) || listOf(valueAt(spec, ['envFrom'])).length > 0;
    return mayComeFromElsewhere
      ? []
      : [problem(at, `${key} is not in env or envFrom: add it to one of them`)];
  }
  const isBlank = typeof value === 'string' && value.trim() === '';
  return isBlank ? [problem(at, `${key} is blank in env: give it the real value`)] : [];
}

function rulesOf(spec: unknown): readonly Rule[] {
  return Object.entries(mappingOf(valueAt(spec, ['credentials']))).flatMap(([name, credential]) =>
    listOf(valueAt(credential, ['inject'])).map((rule, index) => ({
      at: ['spec', 'credentials', name, 'inject', index],
      header: textAt(rule, ['as', 'header']) ?? '',
      format: textAt(rule, ['as', 'format']) ?? '',
      hosts: hostsOf(rule),
    })),
  );
}

function hostsOf(rule: unknown): readonly string[] | undefined {
  const hosts = valueAt(rule, ['hosts']);
  return hosts === undefined
    ? undefined
    : listOf(hosts).map((host) => (typeof host === 'string' ? host : ''));
}

function ruleProblems(rule: Rule): readonly Problem[] {
  const header = [...rule.at, 'as', 'header'];
  return [
    ...(FORBIDDEN_HEADERS.includes(rule.header.toLowerCase())
      ? [problem(header, `${rule.header} belongs to the connection and cannot be set: choose another header`)]
      : []),
    ...formatProblems(rule.format).map((message) => problem([...rule.at, 'as', 'format'], message)),
    ...(rule.hosts ?? []).flatMap((text, index) => {
      const host = text === '' ? undefined : parseHost(text);
      return host?.is === 'wrong' ? [problem([...rule.at, 'hosts', index], host.message)] : [];
    }),
  ];
}

/** RFC 9110 section 5.5: a line break would let a format write headers of its own; the rest no header can carry. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function formatProblems(format: string): readonly string[] {
  return [
    ...(HEADER_VALUE.test(format)
      ? []
      : ['must not contain line breaks, other control characters, or what is not in Latin-1']),
    ...(format.includes('$${value}')
      ? [
          '`$${value}` could be meant as a dollar sign before the value, or as the words ${value} themselves: write the value alone',
        ]
      : []),
  ];
}

/** Two rules that set one header for one destination: which one wins would be an accident. */
export function overlapProblems(rules: readonly Rule[]): readonly Problem[] {
  const byHeader = Map.groupBy(rules, ({ header }) => header.toLowerCase());
  byHeader.delete('');
  return [...byHeader.values()].flatMap((same) => overlapsAmong(same));
}

function overlapsAmong(rules: readonly Rule[]): readonly Problem[] {
  const taken = new Set<string>();
  /** The wildcards that stand over what is taken. */
  const above = new Set<string>();
  return rules.flatMap((rule) => {
    const patterns = patternsOf(rule);
    const clash = patterns.find((pattern) => overlaps(pattern, taken, above));
    for (const pattern of patterns) {
      taken.add(pattern);
      above.add(wildcardOver(pattern) ?? pattern);
    }
    if (clash === undefined) return [];
    const where = clash === EVERYTHING ? 'every destination' : clash;
    return [
      problem(rule.at, `another rule sets ${rule.header} for ${where} too: keep one, or part their hosts`),
    ];
  });
}

function overlaps(pattern: string, taken: ReadonlySet<string>, above: ReadonlySet<string>): boolean {
  if (pattern === EVERYTHING) return taken.size > 0;
  const wildcard = wildcardOver(pattern);
  return (
    taken.has(EVERYTHING) ||
    taken.has(pattern) ||
    (wildcard === undefined ? above.has(pattern) : taken.has(wildcard))
  );
}

function patternsOf(rule: Rule): readonly string[] {
  if (rule.hosts === undefined || rule.hosts.length === 0) return [EVERYTHING];
  return [
    ...new Set(
      rule.hosts.flatMap((text) => {
        const host = parseHost(text);
        return host.is === 'host' ? [host.pattern] : [];
      }),
    ),
  ];
}
