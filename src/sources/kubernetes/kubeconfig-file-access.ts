import { KubeConfig } from '@kubernetes/client-node';
import { HypemanError } from '../../errors.ts';
import type { ClusterAccess, ClusterPlace } from './cluster-access.ts';
import { keptCredentials } from './kept-credentials.ts';
import { credentialsOf, problemWith, serverOf } from './kubeconfig-words.ts';

/** Where a kubeconfig file leads. Throws `invalid` when it cannot be read or names no server. */
export function kubeconfigAccess(place: Extract<ClusterPlace, { readonly is: 'kubeconfig' }>): ClusterAccess {
  const config = new KubeConfig();
  try {
    config.loadFromFile(place.path);
    if (place.context !== undefined) config.setCurrentContext(place.context);
  } catch (error) {
    const message = `kubeconfig ${place.path}: ${problemWith(error)}`;
    throw new HypemanError('invalid', 'KubeconfigUnreadable', message);
  }
  return { server: serverOf(config), ...keptCredentials(() => credentialsOf(config)) };
}
