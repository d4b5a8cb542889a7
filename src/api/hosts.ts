import { isIP } from 'node:net';

export type Host =
  { readonly is: 'host'; readonly pattern: string } | { readonly is: 'wrong'; readonly message: string };

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** RFC 1035 section 2.3.4, without the root's dot. */
const LONGEST_NAME = 253;

/**
 * Reads one destination of a credential: an exact DNS name, an IP, or `*.` and at least two labels,
 * which stands for exactly one level. The pattern is lower case, without a final dot, IPs canonical.
 */
export function parseHost(text: string): Host {
  if (text.includes('://'))
    return wrong(`"${text}" has a scheme: write only the host, as in api.example.com`);
  if (/[/?#@]/.test(text))
    return wrong(`"${text}" has more than a host: write only the host, as in api.example.com`);
  const bare = text.toLowerCase().replace(/\.$/, '');
  if (isIP(bare) !== 0) return { is: 'host', pattern: canonicalIp(bare) };
  if (/^\[.*\]$/.test(bare)) return wrong(`"${text}" has brackets: write the IPv6 address without them`);
  if (/:[0-9]*$/.test(bare))
    return wrong(`"${text}" has a port: leave it out, every port of the host is meant`);
  return bare.startsWith('*.') ? parseWildcard(text, bare.slice(2)) : parseName(text, bare);
}

/** The pattern that covers a name one level up (`a.b.c` → `*.b.c`); a wildcard has none. */
export function wildcardOver(pattern: string): string | undefined {
  const dot = pattern.indexOf('.');
  return pattern.startsWith('*.') || dot < 0 || isIP(pattern) !== 0 ? undefined : `*${pattern.slice(dot)}`;
}

function parseWildcard(text: string, rest: string): Host {
  if (isIP(rest) !== 0) return wrong(`"${text}" puts a wildcard over an IP address: list the addresses`);
  if (!rest.includes('.'))
    return wrong(`"${text}" is too wide: "*." needs at least two labels, as in *.example.com`);
  if (isRegistry(rest))
    return wrong(
      `"${text}" is too wide: everybody can have a name under ${rest}; name the domain, as in *.example.${rest}`,
    );
  const name = parseName(text, rest);
  return name.is === 'wrong' ? name : { is: 'host', pattern: `*.${name.pattern}` };
}

/** The second level that registries of two-letter domains sell names under: co.uk, com.au, or.jp. */
const REGISTRY_LABELS = [
  'ac',
  'co',
  'com',
  'edu',
  'gob',
  'gov',
  'go',
  'mil',
  'ne',
  'net',
  'nom',
  'or',
  'org',
];

/** No list of all of them (publicsuffix.org has thousands), but of what a wildcard is most likely put over by mistake. */
function isRegistry(name: string): boolean {
  const [second = '', top = '', ...more] = name.split('.');
  return more.length === 0 && top.length === 2 && REGISTRY_LABELS.includes(second);
}

function parseName(text: string, name: string): Host {
  if (name === '*') return wrong('"*" is no host: leave hosts out where every destination is meant');
  if (name.includes('*')) {
    return wrong(`"${text}" has "*" where it cannot be: only a leading "*." is allowed, as in *.example.com`);
  }
  const labels = name.split('.');
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) return wrong(`"${text}" is neither an IP address nor a DNS name`);
  const isName = name.length <= LONGEST_NAME && labels.every((label) => LABEL.test(label));
  if (isName) return { is: 'host', pattern: name };
  return wrong(
    `"${text}" is not a DNS name: labels of letters, digits and dashes (international names as xn--...)`,
  );
}

/** The one spelling of an address (RFC 5952), as the URL standard's parser has it. */
function canonicalIp(address: string): string {
  return isIP(address) === 4 || address.includes('%')
    ? address
    : new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

function wrong(message: string): Host {
  return { is: 'wrong', message };
}
