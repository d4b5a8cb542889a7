import { existsSync } from 'node:fs';
import { KubeConfig } from '@kubernetes/client-node';
import { HypemanError, messageOf } from '../../../errors.ts';
import { problemWith } from '../kubeconfig-words.ts';

export type KubeconfigChoice = {
  /** In place of what the environment names. */
  readonly path?: string;
  /** In place of the current one. */
  readonly context?: string;
  /** `KUBECONFIG`, `HOME` and `KUBERNETES_SERVICE_HOST` are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
};

/**
 * The configuration that kubectl would take: the file that is named, else the files of KUBECONFIG together (where
 * two say the same, the first counts), else ~/.kube/config, else the service account of the Pod that this runs in.
 * Throws `invalid`.
 */
export function loadKubeconfig(choice: KubeconfigChoice): KubeConfig {
  const files = filesOf(choice);
  const config =
    files.length > 0 ? together(files.map(readFile)) : inCluster(choice.env.KUBERNETES_SERVICE_HOST);
  const { context } = choice;
  if (context === undefined) return config;
  const known = config.getContexts().map(({ name }) => name);
  if (!known.includes(context))
    throw unusable(`the kubeconfig has no context "${context}"; it has ${known.join(', ') || 'none'}`);
  config.setCurrentContext(context);
  return config;
}

/** Those that are there. As with kubectl, one that is named on the command line must be; the others may not. */
function filesOf({ path, env }: KubeconfigChoice): readonly string[] {
  if (path !== undefined) {
    if (!existsSync(path)) throw unusable(`there is no kubeconfig ${path}`);
    return [path];
  }
  const listed = (env.KUBECONFIG ?? '').split(':').filter((file) => file !== '');
  const named = listed.length > 0 ? listed : [`${env.HOME ?? ''}/.kube/config`];
  const found = named.filter((file) => existsSync(file));
  if (found.length === 0 && env.KUBERNETES_SERVICE_HOST === undefined)
    throw unusable(
      `no kubeconfig: there is no ${named.join(', no ')}; name one with --kubeconfig FILE or KUBECONFIG`,
    );
  return found;
}

function readFile(file: string): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (error) {
    throw unusable(`kubeconfig ${file} cannot be read: ${problemWith(error)}`);
  }
  return config;
}

function together(configs: readonly KubeConfig[]): KubeConfig {
  const [only] = configs;
  if (only !== undefined && configs.length === 1) return only;
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: firstOfEach(configs.flatMap((one) => one.getClusters())),
    users: firstOfEach(configs.flatMap((one) => one.getUsers())),
    contexts: firstOfEach(configs.flatMap((one) => one.getContexts())),
    currentContext: configs.map((one) => one.getCurrentContext()).find((name) => Boolean(name)) ?? '',
  });
  return config;
}

function firstOfEach<T extends { readonly name: string }>(named: readonly T[]): T[] {
  return named.filter((one, at) => named.findIndex(({ name }) => name === one.name) === at);
}

function inCluster(host: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromCluster();
  } catch (error) {
    throw unusable(`the service account of this Pod (for ${host ?? ''}) cannot be used: ${messageOf(error)}`);
  }
  return config;
}

function unusable(message: string): HypemanError {
  return new HypemanError('invalid', 'KubeconfigUnusable', message);
}
