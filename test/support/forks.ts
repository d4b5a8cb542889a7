import type { Instance, InstanceSpec, SilentField } from '../../src/api/instance.ts';
import { keyOf } from '../../src/machine/ids.ts';
import type { InstanceKey } from '../../src/machine/ids.ts';
import type { DeclaredEnvironment } from '../../src/secrets/environment.ts';
import { Secret } from '../../src/secrets/secret.ts';
import type { Declared, Source } from '../../src/sources/source.ts';
import { aSpec } from './worlds.ts';

/** What a fork's document that says nothing at all is silent about. */
export const SILENT: readonly SilentField[] = [
  ...([
    'image',
    'entrypoint',
    'cmd',
    'vcpus',
    'memoryBytes',
    'hotplugBytes',
    'overlayBytes',
    'diskBps',
  ] as const),
  ...(['network.enabled', 'network.downloadBps', 'network.uploadBps', 'network.egress.enabled'] as const),
  ...(['network.egress.mode', 'hypervisor', 'volumes', 'devices', 'gpuProfile', 'skipGuestAgent'] as const),
  ...(['skipKernelHeaders', 'tags', 'state', 'restartPolicy', 'updatePolicy', 'evictionPolicy'] as const),
];

export type ForkWords = Partial<InstanceSpec> & { readonly spoken?: readonly SilentField[] };

/** A fork of `source` that says these words: on `spoken` it is not silent. */
export function aFork(
  name: string,
  source: string,
  { spoken = [], ...spec }: ForkWords = {},
  credentials: 'Inherit' | 'None' = 'Inherit',
): Instance {
  const words = aSpec({ env: {}, ...spec });
  const said: readonly string[] = [...spoken, ...Object.keys(spec)];
  return {
    ...{ namespace: 'default', name, labels: {}, annotations: {} },
    spec: {
      ...words,
      forkFrom: { instance: source, fromRunning: true, credentials },
      silent: SILENT.filter((field) => !said.includes(field)),
    },
  };
}

export function secrets(values: Readonly<Record<string, string>>): Readonly<Record<string, Secret>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, new Secret(value)]));
}

/** A source that says what a test declares, and tells it when that changes. */
export class ScriptedSource implements Source {
  readonly #declared = new Map<InstanceKey, Declared>();
  readonly #environments = new Map<InstanceKey, DeclaredEnvironment>();
  #notify: (key: InstanceKey) => void = () => undefined;

  /** Its environment is what its `env` says. */
  declare(instance: Instance, changes: { readonly uid?: string } = {}): InstanceKey {
    const key = keyOf(instance.namespace, instance.name);
    const uid = changes.uid ?? `uid-of-${instance.name}`;
    this.#declared.set(key, { is: 'wanted', uid, generation: 1, instance });
    this.#environments.set(key, { is: 'ready', values: instance.spec.env });
    this.#notify(key);
    return key;
  }

  withholdEnvironment(key: InstanceKey, message: string): void {
    this.#environments.set(key, { is: 'missing', reason: 'SecretNotFound', message });
    this.#notify(key);
  }

  remove(key: InstanceKey): void {
    this.#declared.delete(key);
    this.#environments.delete(key);
    this.#notify(key);
  }

  start(notify: (key: InstanceKey) => void): Promise<void> {
    this.#notify = notify;
    return Promise.resolve();
  }

  keys(): readonly InstanceKey[] {
    return [...this.#declared.keys()];
  }

  declared(key: InstanceKey): Declared {
    return this.#declared.get(key) ?? { is: 'gone' };
  }

  environmentOf(key: InstanceKey): Promise<DeclaredEnvironment> {
    const unknown = { is: 'missing', reason: 'NotDeclared', message: `${key} is not declared` } as const;
    return Promise.resolve(this.#environments.get(key) ?? unknown);
  }

  /** Each Secret that an instance names holds its own name. */
  pullSecretsOf(key: InstanceKey): Promise<{ readonly is: 'ready'; readonly configs: readonly Secret[] }> {
    const declared = this.declared(key);
    const names = declared.is === 'wanted' ? declared.instance.spec.imagePullSecrets : [];
    return Promise.resolve({ is: 'ready', configs: names.map((name) => new Secret(name)) });
  }

  lastStatus(): undefined {
    return undefined;
  }

  report(): Promise<void> {
    return Promise.resolve();
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
