import type { ImageState } from '../machine/image.ts';
import type { Environment, HostFacts, RecordedWorld, Wanted } from './world.ts';

type ReadyHost = HostFacts & { readonly kernel: Extract<HostFacts['kernel'], { state: 'ready' }> };
type ReadyWanted = Wanted & { readonly environment: Extract<Environment, { is: 'ready' }> };

/** Everything is there from which a machine is described: image, kernel and environment. */
export type ReadyWorld = RecordedWorld & {
  readonly image: Extract<ImageState, { state: 'ready' }>;
  readonly host: ReadyHost;
  readonly desired: ReadyWanted;
};

export function isReady(world: RecordedWorld): world is ReadyWorld {
  return (
    world.image.state === 'ready' &&
    world.host.kernel.state === 'ready' &&
    world.desired.environment.is === 'ready'
  );
}
