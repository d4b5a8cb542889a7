import { isMapping } from '../../api/raw.ts';
import type { Condition, InstanceStatus } from '../../api/status.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { canonicalText } from '../spec-text.ts';
import type { ApiServer } from './api-server.ts';
import { INSTANCE } from './held-kind.ts';
import type { HeldKind } from './held-kind.ts';
import { isOlder, withoutSpec } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { replaceStatus } from './object-changes.ts';
import type { Sight } from './object-changes.ts';

/** What the statuses of both kinds have. */
type AnyStatus = { readonly observedGeneration: number; readonly conditions: readonly Condition[] };

type Written<Status> = {
  readonly status: Status;
  readonly sent: string;
  /** The object as the server gave it back: what it made of our status, and how new that is. */
  readonly object: KubernetesObject;
};

/** The statuses that this process wrote: what need not be written again. */
export class ReportedStatuses<Status extends AnyStatus = InstanceStatus> {
  readonly #api: ApiServer;
  readonly #kind: HeldKind;
  readonly #written = new Map<InstanceKey, Written<Status>>();

  constructor(api: ApiServer, kind: HeldKind = INSTANCE) {
    this.#api = api;
    this.#kind = kind;
  }

  /** The status last reported: by us, or by an earlier controller as the object has it. */
  last(object: KubernetesObject): Status | undefined {
    const written = this.#of(object);
    if (written !== undefined) return written.status;
    const { status } = object.document;
    // eslint-disable-next-line @typescript-eslint/no-unsafe-type-assertion -- the schema has been over it
    return isStatus(status) ? (status as Status) : undefined;
  }

  /** Somebody else wrote there since. */
  isDisturbed(object: KubernetesObject): boolean {
    const written = this.#of(object);
    return (
      written !== undefined && !isOlder(object, written.object) && !hasSameStatus(object, written.object)
    );
  }

  /** Writes a status that differs. Undefined: the object is gone. */
  async write(object: KubernetesObject, status: Status): Promise<Sight> {
    const sent = canonicalText(status);
    if (this.#isThere(object, sent)) return object;
    const after = await replaceStatus(this.#api, object, status, this.#kind);
    if (after === undefined) this.#written.delete(object.key);
    else this.#written.set(object.key, { status, sent, object: withoutSpec(after) });
    return after;
  }

  forget(key: InstanceKey): void {
    this.#written.delete(key);
  }

  #isThere(object: KubernetesObject, sent: string): boolean {
    const written = this.#of(object);
    if (written === undefined) return canonicalText(object.document.status ?? null) === sent;
    return written.sent === sent && !this.isDisturbed(object);
  }

  #of({ key, uid }: KubernetesObject): Written<Status> | undefined {
    const written = this.#written.get(key);
    return written?.object.uid === uid ? written : undefined;
  }
}

function hasSameStatus(one: KubernetesObject, other: KubernetesObject): boolean {
  return canonicalText(one.document.status ?? null) === canonicalText(other.document.status ?? null);
}

/** Old versions of ours may have left less; what observed no generation is the schema's own default. */
function isStatus(value: unknown): value is AnyStatus {
  return isMapping(value) && Array.isArray(value.conditions) && Number(value.observedGeneration) > 0;
}
