import { problemText } from '../../api/problem.ts';
import type { Parser } from '../../api/parser.ts';
import { nameOf, namespaceOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { ApiServer } from './api-server.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { LIST_WATCH_TIMING, listWatchOf } from './list-watch.ts';
import type { ListWatchTiming } from './list-watch.ts';
import { pause } from './pause.ts';
import { Reflector } from './reflector.ts';
import type { SecretState, SecretStore } from './secret-store.ts';

export type WatchedSecretsParts = {
  readonly api: ApiServer;
  readonly parser: Parser;
  /** An instance whose Secret changed. */
  readonly onChange: (instance: InstanceKey) => void;
  readonly timing?: ListWatchTiming;
  readonly firstSightMs?: number;
};

type Watched = {
  readonly reflector: Reflector;
  readonly synced: Promise<void>;
  readonly followers: Set<InstanceKey>;
  /** Unknown until the server answered. */
  state?: SecretState;
  trouble: string;
};

/** How long a pass waits for a Secret that was never seen. */
const FIRST_SIGHT_MS = 5_000;

/** One watch for each Secret that is referenced, by its name: the right to read it may be as narrow. */
export class WatchedSecrets implements SecretStore {
  readonly #parts: WatchedSecretsParts;
  readonly #watched = new Map<InstanceKey, Watched>();
  readonly #wanted = new Map<InstanceKey, readonly InstanceKey[]>();

  constructor(parts: WatchedSecretsParts) {
    this.#parts = parts;
  }

  follow(instance: InstanceKey, secrets: readonly InstanceKey[]): void {
    const before = this.#wanted.get(instance) ?? [];
    if (secrets.length === 0) this.#wanted.delete(instance);
    else this.#wanted.set(instance, secrets);
    for (const secret of secrets) (this.#watched.get(secret) ?? this.#begin(secret)).followers.add(instance);
    for (const secret of before) if (!secrets.includes(secret)) this.#unfollow(instance, secret);
  }

  async valuesOf(secret: InstanceKey): Promise<SecretState> {
    const it = this.#watched.get(secret);
    if (it === undefined) return { is: 'unreadable', message: 'nobody follows it' };
    if (it.state === undefined)
      await Promise.race([it.synced, pause(this.#parts.firstSightMs ?? FIRST_SIGHT_MS)]);
    return it.state ?? { is: 'unreadable', message: it.trouble };
  }

  close(): void {
    for (const { reflector } of this.#watched.values()) reflector.close();
    this.#watched.clear();
  }

  #begin(secret: InstanceKey): Watched {
    const reflector = new Reflector(collectionOf(secret, this.#parts), {
      put: (object) => {
        this.#tell(secret, stateOf(object, this.#parts.parser));
      },
      gone: () => {
        this.#tell(secret, { is: 'absent' });
      },
      standing: (standing) => {
        if (standing.is === 'lost') it.trouble = standing.message;
      },
    });
    const it: Watched = {
      reflector,
      followers: new Set(),
      trouble: 'the API server has not answered yet',
      synced: reflector.start().then(() => {
        if (it.state === undefined) this.#tell(secret, { is: 'absent' });
      }),
    };
    this.#watched.set(secret, it);
    return it;
  }

  #tell(secret: InstanceKey, state: SecretState): void {
    const it = this.#watched.get(secret);
    if (it === undefined) return;
    it.state = state;
    for (const instance of it.followers) this.#parts.onChange(instance);
  }

  #unfollow(instance: InstanceKey, secret: InstanceKey): void {
    const it = this.#watched.get(secret);
    it?.followers.delete(instance);
    if (it?.followers.size !== 0) return;
    it.reflector.close();
    this.#watched.delete(secret);
  }
}

function collectionOf(
  secret: InstanceKey,
  { api, timing }: WatchedSecretsParts,
): ReturnType<typeof listWatchOf> {
  const path = `/api/v1/namespaces/${namespaceOf(secret)}/secrets`;
  const selector = { fieldSelector: `metadata.name=${nameOf(secret)}` };
  return listWatchOf(api, { path, selector }, timing ?? LIST_WATCH_TIMING);
}

function stateOf({ document }: KubernetesObject, parser: Parser): SecretState {
  // Items of a list come without these.
  const parsed = parser.secret({ ...document, apiVersion: 'v1', kind: 'Secret' });
  if (parsed.is === 'good') return { is: 'ready', values: parsed.secret.values };
  return { is: 'unreadable', message: parsed.problems.map(problemText).join('\n') };
}
