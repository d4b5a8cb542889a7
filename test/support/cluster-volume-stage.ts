import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { volumeKeyOf } from '../../src/machine/ids.ts';
import type { StoredVolume } from '../../src/storage/volumes.ts';
import { openFakeNode, startFakeAgent } from './cluster-agent.ts';
import type { FakeAgent, FakeNode } from './cluster-agent.ts';
import { startControlPlane } from './cluster-control-plane.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { eventually, installCrd, makeYard } from './cluster-stage.ts';
import type { Yard } from './cluster-stage.ts';
import { volumeYard } from './cluster-volumes.ts';
import type { VolumeYard } from './cluster-volumes.ts';

/** A node of a test, its agent replaceable. */
export type Place = { readonly name: string; readonly node: FakeNode; agent: FakeAgent };

const FAST = { elsewhereMs: 300, headStartMs: 300 };

/** Two nodes with real disks in a real cluster: a namespace and nodes for each test. */
export class VolumeStage {
  plane!: ControlPlane;
  yard!: Yard;
  volumes!: VolumeYard;
  here!: Place;
  there!: Place;
  #places = 0;

  async startAgent(place: Place, user: 'admin' | 'agent' = 'admin'): Promise<void> {
    place.agent = await startFakeAgent(this.plane, place.node, { nodeName: place.name, user, ...FAST });
  }

  run(name: string, { name: nodeName }: Place, spec: Mapping): Promise<Mapping> {
    return this.yard.create(name, { nodeName, ...spec });
  }

  /** Status and reason of Ready. */
  async ready(name: string): Promise<string> {
    const { body } = await this.yard.read(name);
    const conditions = listOf(valueAt(body, ['status', 'conditions']));
    const found = conditions.find((one) => textAt(one, ['type']) === 'Ready');
    return `${textAt(found, ['status']) ?? 'absent'} ${textAt(found, ['reason']) ?? ''}`;
  }

  async isReady(name: string): Promise<void> {
    await eventually(async () => (await this.ready(name)).startsWith('True') || (await this.ready(name)));
  }

  async isWaiting(name: string, reason: string): Promise<void> {
    await eventually(async () => (await this.ready(name)) === `False ${reason}` || (await this.ready(name)));
  }

  async stands(name: string, standing: string): Promise<void> {
    const { volumes } = this;
    await eventually(
      async () => (await volumes.standing(name)) === standing || (await volumes.standing(name)),
    );
  }

  disk({ node }: Place, name: string): StoredVolume | undefined {
    return node.workshops.volumes.of(volumeKeyOf(this.yard.namespace, name));
  }

  async begin(): Promise<void> {
    this.yard = await makeYard(this.plane.admin);
    this.volumes = volumeYard(this.plane.admin, this.yard);
    this.here = await this.#openPlace();
    this.there = await this.#openPlace();
  }

  async end(): Promise<void> {
    for (const { agent, node } of [this.here, this.there]) {
      await agent.close();
      await node.close();
    }
  }

  async #openPlace(): Promise<Place> {
    this.#places += 1;
    const name = `node-${this.#places}`;
    const node = await openFakeNode();
    return { name, node, agent: await startFakeAgent(this.plane, node, { nodeName: name, ...FAST }) };
  }
}

/** Called once by a test file; what it holds is there in its tests. */
export function volumeStage(): VolumeStage {
  const stage = new VolumeStage();
  beforeAll(async () => {
    stage.plane = await startControlPlane();
    await installCrd(stage.plane.admin);
  });
  beforeEach(() => stage.begin());
  afterEach(() => stage.end());
  afterAll(() => stage.plane.close());
  return stage;
}
