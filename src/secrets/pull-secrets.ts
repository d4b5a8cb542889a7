import type { Secret } from './secret.ts';

/**
 * What the Secrets of spec.imagePullSecrets hold, in their order: a docker config.json each, as it was written; or
 * why they cannot be had now.
 */
export type PullSecrets =
  | { readonly is: 'ready'; readonly configs: readonly Secret[] }
  | { readonly is: 'missing'; readonly reason: string; readonly message: string };
