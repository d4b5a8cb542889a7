import type { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
import { HypemanError, messageOf } from '../../../errors.ts';
import type { ClusterAccess } from '../cluster-access.ts';

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

function serverOf(config: KubeConfig): URL {
  const address = config.getCurrentCluster()?.server ?? '';
  if (URL.canParse(address) && address.startsWith('https:')) return new URL(address);
  const context = config.getCurrentContext();
  throw new HypemanError(
    'invalid',
    'KubeconfigUnusable',
    `the kubeconfig's context "${context}" names no cluster with an https:// server: choose one with --context`,
  );
}

async function askFor(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    const message = `the kubeconfig's credentials cannot be had: ${messageOf(cause)}`;
    throw new HypemanError('invalid', 'KubeconfigUnusable', message, { cause });
  }
  // The client makes an agent, and so a connection, for every request; only one to a proxy is worth having.
  if (config.getCurrentCluster()?.proxyUrl === undefined) delete options.agent;
  return options;
}
