import type { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
import { HypemanError, messageOf } from '../../../errors.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { credentialsOf, serverOf } from '../kubeconfig-words.ts';

/**
 * Where a kubeconfig leads and as whom. Credentials are asked for once: a command is over before they are.
 * Throws `invalid` when its context names no server.
 */
export function accessOf(config: KubeConfig): ClusterAccess {
  let known: Promise<RequestOptions> | undefined;
  return {
    server: serverOf(config),
    credentials: () => (known ??= askFor(config)),
    distrust: () => {
      known = undefined;
    },
  };
}

async function askFor(config: KubeConfig): Promise<RequestOptions> {
  try {
    return await credentialsOf(config);
  } catch (cause) {
    const message = `the kubeconfig's credentials cannot be had: ${messageOf(cause)}`;
    throw new HypemanError('invalid', 'KubeconfigUnusable', message, { cause });
  }
}
