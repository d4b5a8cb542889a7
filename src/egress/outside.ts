import { fieldsIn, parseFields, textIn, textsIn } from './control/fields.ts';

/**
 * What the operator of this host says of the world behind the proxy; all of it is optional, none of it is
 * secret. Without a word, names are asked of the host's resolvers and public addresses alone are dialled.
 */
export type Outside = {
  /** Addresses of names that no resolver is asked for; lower case. */
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  /** Networks (`10.9.0.0/16`) that guests may reach through the proxy though they are not public. */
  readonly networks: readonly string[];
  /** Name servers that the proxy and its guests ask in place of the host's own. */
  readonly resolvers?: readonly string[];
  /** A PEM file of the CAs that upstream servers may have, in place of the host's own bundle. */
  readonly trustBundle?: string;
};

export const NOTHING_SAID: Outside = { hosts: {}, networks: [] };

/** One text for one meaning: another text is another process. */
export function outsideText(outside: Outside): string {
  const hosts = Object.entries(outside.hosts).sort(([one], [other]) => (one < other ? -1 : 1));
  const resolvers = outside.resolvers === undefined ? {} : { resolvers: outside.resolvers };
  const trust = outside.trustBundle === undefined ? {} : { trustBundle: outside.trustBundle };
  return `${JSON.stringify({ hosts: Object.fromEntries(hosts), networks: outside.networks, ...resolvers, ...trust })}\n`;
}

/** Throws `BadMessage` for what `outsideText` did not write. */
export function parseOutside(text: string): Outside {
  const fields = parseFields(text);
  const hosts = fieldsIn(fields.hosts, 'hosts');
  return {
    hosts: Object.fromEntries(Object.keys(hosts).map((name) => [name, textsIn(hosts, name, 64, 64)])),
    networks: textsIn(fields, 'networks', 1024, 64),
    ...(fields.resolvers === undefined ? {} : { resolvers: textsIn(fields, 'resolvers', 16, 64) }),
    ...(fields.trustBundle === undefined ? {} : { trustBundle: textIn(fields, 'trustBundle', 4096) }),
  };
}
