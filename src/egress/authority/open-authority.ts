import { generateKeyPairSync } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { HypemanError } from '../../errors.ts';
import { ensureDirectory, namesIn } from '../../host/files.ts';
import type { Authority } from '../ports.ts';
import { BACKDATED_MS, keptCa, newSerial, removeCa } from './ca.ts';
import type { Ca } from './ca.ts';
import { leafCertificate, publicKeyOf } from './certificate.ts';
import { parseHostName } from './host-name.ts';
import { TokenBucket } from '../token-bucket.ts';
import { pemOf } from './pem.ts';
import { Recent } from './recent.ts';

/** The authority and the life of its CAs, which belongs to whoever takes policies. */
export type OwnedAuthority = Authority & {
  /** Finds or makes the instance's CA. Repeatable; returns its certificate, PEM. */
  open(instance: string): Promise<string>;
  /** Lets go of leaves and keys in memory; the CA stays on disk. */
  close(instance: string): void;
  /** Also removes the CA from disk: the instance is gone for good. */
  forget(instance: string): Promise<void>;
  /** Instances with a CA on disk. */
  kept(): Promise<readonly string[]>;
};

export type AuthorityOptions = {
  /** Holds one directory for each instance; this process alone may enter it. */
  readonly directory: string;
  readonly now?: () => number;
};

/** What one guest may have minted: 50 hosts a second, and a page that names a hundred at once. */
const MINTS_PER_SECOND = 50;
const MINT_BURST = 100;
/** Contexts cached for one instance, and for all: each holds 30 to 50 KiB (measured, Node 24). */
const CONTEXTS_PER_INSTANCE = 500;
const CONTEXTS = 16_384;
const FEWEST_CONTEXTS = 32;

const LEAF_LIFE_MS = 72 * 3600 * 1000;
const RENEWED_AFTER_MS = (LEAF_LIFE_MS * 2) / 3;

type Leaf = { readonly context: SecureContext; readonly mintedAt: number };
type Issuing = { readonly ca: Ca; readonly leaves: Recent<Leaf>; readonly rate: TokenBucket };

export async function openAuthority(options: AuthorityOptions): Promise<OwnedAuthority> {
  await ensureDirectory(options.directory, 0o700);
  const minter = new Minter(options.directory, options.now ?? Date.now);
  return {
    contextFor: (instance, host) => minter.contextFor(instance, host),
    certificateOf: (instance) => minter.certificateOf(instance),
    open: (instance) => minter.open(instance),
    close: (instance) => {
      minter.close(instance);
    },
    forget: (instance) => minter.forget(instance),
    kept: () => namesIn(options.directory),
  };
}

class Minter {
  readonly #directory: string;
  readonly #now: () => number;
  readonly #instances = new Map<string, Issuing>();
  /** One key for all leaves of this process: whoever had one would have them all, so more keys protect nothing. */
  readonly #leafKey: string;
  readonly #leafPublic: ReturnType<typeof publicKeyOf>;

  constructor(directory: string, now: () => number) {
    this.#directory = directory;
    this.#now = now;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#leafKey = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    this.#leafPublic = publicKeyOf(publicKey);
  }

  async open(instance: string): Promise<string> {
    const known = this.#instances.get(instance);
    if (known !== undefined) return known.ca.certificate;
    const ca = await keptCa(this.#directory, instance, this.#now());
    const rate = new TokenBucket(MINTS_PER_SECOND, MINT_BURST, this.#now());
    this.#instances.set(instance, { ca, rate, leaves: new Recent() });
    return ca.certificate;
  }

  close(instance: string): void {
    this.#instances.delete(instance);
  }

  async forget(instance: string): Promise<void> {
    this.close(instance);
    await removeCa(this.#directory, instance);
  }

  certificateOf(instance: string): string {
    return this.#issuing(instance).ca.certificate;
  }

  contextFor(instance: string, host: string): SecureContext {
    const issuing = this.#issuing(instance);
    const name = parseHostName(host);
    const now = this.#now();
    const cached = issuing.leaves.get(name.name);
    if (cached !== undefined && isFresh(cached, now)) return cached.context;
    // A renewal is not counted: a host that was allowed once must not fail later for others' sake.
    if (cached === undefined && !issuing.rate.take(now))
      throw new HypemanError(
        'transient',
        'MintLimited',
        `instance ${instance} asks for certificates of more than ${MINTS_PER_SECOND} new hosts a second`,
        { facts: { instance } },
      );
    const validity = { notBefore: now - BACKDATED_MS, notAfter: now + LEAF_LIFE_MS };
    const leaf = { host: name, key: this.#leafPublic };
    const certificate = pemOf('CERTIFICATE', leafCertificate(issuing.ca.issuer, leaf, newSerial(), validity));
    // Without `ca`, each context would carry Node's own hundred and more roots, for which a server has no use.
    const context = createSecureContext({
      key: this.#leafKey,
      cert: certificate,
      ca: [],
      minVersion: 'TLSv1.2',
    });
    issuing.leaves.set(name.name, { context, mintedAt: now }, this.#contextsEach());
    return context;
  }

  /** A fair share, set by the number of instances: no guest's doing makes another's smaller. */
  #contextsEach(): number {
    const share = Math.floor(CONTEXTS / this.#instances.size);
    return Math.min(CONTEXTS_PER_INSTANCE, Math.max(FEWEST_CONTEXTS, share));
  }

  #issuing(instance: string): Issuing {
    const issuing = this.#instances.get(instance);
    if (issuing !== undefined) return issuing;
    throw new HypemanError(
      'bug',
      'NoAuthority',
      `instance ${instance} has no authority: its policy was not put`,
    );
  }
}

/** A clock that was set back behind a leaf's first day makes it new, too. */
function isFresh(leaf: Leaf, now: number): boolean {
  return now >= leaf.mintedAt - BACKDATED_MS && now < leaf.mintedAt + RENEWED_AFTER_MS;
}
