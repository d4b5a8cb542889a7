import type { InstanceKey } from '../../machine/ids.ts';
import type { Secret } from '../../secrets/secret.ts';

export type SecretState =
  | { readonly is: 'ready'; readonly values: Readonly<Record<string, Secret>> }
  | { readonly is: 'absent' }
  /** What is to be done, without a value. */
  | { readonly is: 'unreadable'; readonly message: string };

/**
 * Where the values of v1/Secrets come from: read from the API server by name, or mounted into a Pod by the
 * kubelet. Keys are `namespace/name`, of an Instance or of a Secret.
 */
export type SecretStore = {
  /** These are what an instance is made from now, and their changes are to be told; none: it needs nothing more. */
  follow(instance: InstanceKey, secrets: readonly InstanceKey[]): void;
  /** Of a Secret that is followed. What was known stays while the server is away. */
  valuesOf(secret: InstanceKey): Promise<SecretState>;
  close(): void;
};
