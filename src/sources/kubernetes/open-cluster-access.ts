import type { ClusterAccess, ClusterPlace } from './cluster-access.ts';
import { serviceAccountAccess } from './service-account-access.ts';

/** Throws `invalid` when there is no usable configuration. */
export async function openClusterAccess(place: ClusterPlace): Promise<ClusterAccess> {
  if (place.is === 'in-cluster') return serviceAccountAccess(place.directory);
  // Kubernetes' own library knows every kind of kubeconfig, and is 80 MB of memory: an agent in a Pod goes without.
  const { kubeconfigAccess } = await import('./kubeconfig-file-access.ts');
  return kubeconfigAccess(place);
}
