import type { Inheritance } from '../../src/api/inheritance.ts';
import type { Instance, InstanceSpec } from '../../src/api/instance.ts';
import { fillPolicy } from '../../src/egress/fill-policy.ts';
import { inheritedDeclarations } from '../../src/inherited-declarations.ts';
import type { InheritedDeclarations } from '../../src/inherited-declarations.ts';
import { keyOf } from '../../src/machine/ids.ts';
import type { InstanceKey } from '../../src/machine/ids.ts';
import type { Forking, InstanceRecord } from '../../src/machine/record.ts';
import { disguiseOf, policyFor } from '../../src/plan/policy-for.ts';
import { guestEnvironment } from '../../src/secrets/guest-environment.ts';
import { ScriptedSource } from './forks.ts';
import { freshRecord } from './records.ts';
import { IDENTITY } from './worlds.ts';

/** Declarations, and a storage that is as reliable as a map. */
export class InheritanceStage {
  readonly source = new ScriptedSource();
  readonly kept = new Map<InstanceKey, Inheritance>();
  readonly records = new Map<string, InstanceRecord>();
  readonly inherited: InheritedDeclarations = inheritedDeclarations(this.source, {
    recordOf: (key) => this.records.get(key),
    inheritanceOf: (fork) => this.kept.get(fork),
    forksOf: (key) => [...this.records.values()].filter(({ fork }) => fork?.instance === key),
  });

  record(name: string, source: string, changes: Partial<Forking> = {}): void {
    const fork = { instance: keyOf('default', source), ...changes };
    this.records.set(keyOf('default', name), freshRecord(name, { fork }));
  }

  /** As the hands do it: kept first, then on record. */
  async fork(name: string, source: string): Promise<void> {
    const key = keyOf('default', source);
    const found = await this.inherited.inheritanceFrom(key, 'Running');
    if (found.is === 'missing') throw new Error(found.message);
    this.kept.set(keyOf('default', name), found.inheritance);
    this.record(name, source, { source: IDENTITY.id });
  }

  spec(key: InstanceKey): InstanceSpec {
    return this.instance(key).spec;
  }

  instance(key: InstanceKey): Instance {
    const declared = this.inherited.source.declared(key);
    if (declared.is !== 'wanted') throw new Error(JSON.stringify(declared));
    return declared.instance;
  }

  refusal(key: InstanceKey): string {
    const declared = this.inherited.source.declared(key);
    return declared.is === 'held' ? `${declared.refused.reason}: ${declared.refused.message}` : declared.is;
  }

  /** What the guest of a fork is started with, in clear. */
  async guestOf(key: InstanceKey): Promise<Readonly<Record<string, string>>> {
    const environment = await this.inherited.source.environmentOf(key);
    if (environment.is === 'missing') throw new Error(environment.message);
    const values = guestEnvironment(environment.values, disguiseOf(this.instance(key)));
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.reveal()]));
  }

  /** What its proxy gets for its credentials, in clear, or why it does not. */
  async grantsOf(key: InstanceKey): Promise<readonly string[] | string> {
    const shape = policyFor(this.instance(key), {
      key,
      identity: IDENTITY,
      generation: 1,
      running: undefined,
    });
    if (shape === undefined) return [];
    const filled = fillPolicy(shape, await this.inherited.source.environmentOf(key));
    return filled.lack?.message ?? filled.policy.grants.map(({ value }) => value?.reveal() ?? '');
  }

  async woken(act: () => void): Promise<readonly string[]> {
    const heard: string[] = [];
    await this.inherited.source.start((key) => heard.push(key));
    act();
    return heard.sort();
  }
}
