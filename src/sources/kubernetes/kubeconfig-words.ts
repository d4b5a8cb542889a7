import type { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
import { HypemanError, messageOf } from '../../errors.ts';

/** The server of the current context. Throws `KubeconfigUnusable` when it names none that is safe to speak to. */
export function serverOf(config: KubeConfig): URL {
  const address = config.getCurrentCluster()?.server ?? '';
  if (URL.canParse(address) && address.startsWith('https:')) return new URL(address);
  const context = config.getCurrentContext();
  throw new HypemanError(
    'invalid',
    'KubeconfigUnusable',
    `the kubeconfig's context "${context}" names no cluster with an https:// server: choose one with --context`,
  );
}

/** What a request needs to be let in. Rejects when the client's library cannot have it. */
export async function credentialsOf(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  // The client makes an agent, and so a connection, for every request; only one to a proxy is worth having.
  if (config.getCurrentCluster()?.proxyUrl === undefined) delete options.agent;
  return options;
}

/** What is wrong with a kubeconfig, without its text: after its first line the YAML parser's message quotes the file, tokens and all. */
export function problemWith(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
