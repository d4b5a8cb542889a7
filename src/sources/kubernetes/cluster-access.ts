import { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
import { HypemanError } from '../../errors.ts';
import { credentialsOf, problemWith, serverOf } from './kubeconfig-words.ts';

/** Which cluster, and as whom: a kubeconfig file, or the service account of the Pod that this runs in. */
export type ClusterPlace =
  | { readonly is: 'kubeconfig'; readonly path: string; readonly context?: string }
  | { readonly is: 'in-cluster' };

export type ClusterAccess = {
  readonly server: URL;
  /** Certificates and headers for a request. Tokens and certificates that were rotated are read again. */
  credentials(): Promise<RequestOptions>;
  /** The server refused what `credentials` gave: the next call asks afresh. */
  distrust(): void;
};

// Tokens live for an hour and are renewed in their last fifth (TokenRequest API); an exec plug-in costs a process.
const CREDENTIALS_KEPT_MS = 10_000;

/** Throws `invalid` when there is no usable configuration. */
export function openClusterAccess(place: ClusterPlace, now: () => number = Date.now): ClusterAccess {
  const config = loadConfig(place);
  let kept: { readonly options: Promise<RequestOptions>; readonly until: number } | undefined;
  return {
    server: serverOf(config),
    credentials: () => {
      if (kept === undefined || kept.until <= now())
        kept = { options: credentialsOf(config), until: now() + CREDENTIALS_KEPT_MS };
      return kept.options;
    },
    distrust: () => {
      kept = undefined;
    },
  };
}

function loadConfig(place: ClusterPlace): KubeConfig {
  const config = new KubeConfig();
  try {
    if (place.is === 'in-cluster') config.loadFromCluster();
    else config.loadFromFile(place.path);
    if (place.is === 'kubeconfig' && place.context !== undefined) config.setCurrentContext(place.context);
  } catch (error) {
    throw new HypemanError('invalid', 'KubeconfigUnreadable', `${nameOf(place)}: ${problemWith(error)}`);
  }
  return config;
}

function nameOf(place: ClusterPlace): string {
  return place.is === 'in-cluster' ? "this Pod's service account" : `kubeconfig ${place.path}`;
}
