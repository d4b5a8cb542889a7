import type { RequestOptions } from 'node:https';

/** Which cluster, and as whom: a kubeconfig file, or the service account of the Pod that this runs in. */
export type ClusterPlace =
  | { readonly is: 'kubeconfig'; readonly path: string; readonly context?: string }
  /** `directory`: where its token and the server's CA are mounted, if not where the kubelet does it. */
  | { readonly is: 'in-cluster'; readonly directory?: string };

export type ClusterAccess = {
  readonly server: URL;
  /** Certificates and headers for a request. Tokens and certificates that were rotated are read again. */
  credentials(): Promise<RequestOptions>;
  /** The server refused what `credentials` gave: the next call asks afresh. */
  distrust(): void;
};
