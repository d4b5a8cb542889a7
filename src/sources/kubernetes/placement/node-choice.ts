import type { Neighbour, PlacementWorld } from './placement-world.ts';

/** Where the scheduler may look. */
export type NodeChoice =
  | { readonly is: 'free' }
  /** Something of the Instance is there, or of what it needs. */
  | { readonly is: 'one'; readonly node: string }
  | {
      readonly is: 'later';
      readonly reason: string;
      readonly message: string;
      /** After so long it is told as what does not come by itself. */
      readonly againMs?: number;
    }
  | { readonly is: 'none'; readonly reason: string; readonly message: string };

/** A source that is applied after its forks is there by then. */
const SOURCE_MS = 10_000;

/** A disk cannot be had from another node: the holder's own, then what a fork and what Volumes are tied to. */
export function nodeChoiceOf(world: PlacementWorld): NodeChoice {
  const { instance, source, volumes } = world;
  if (instance.holder !== undefined) return { is: 'one', node: instance.holder };
  if (source !== undefined && source.is !== 'on') return withoutSource(world, source);
  const missing = volumes.find(({ is }) => is === 'absent');
  if (missing !== undefined)
    return { is: 'later', reason: 'VolumeNotFound', message: `${missing.what} ${lackOf(missing)}` };
  const fixed = [...(source === undefined ? [] : [source]), ...volumes].filter((each) => each.is === 'on');
  const [first] = fixed;
  if (first === undefined) return { is: 'free' };
  const other = fixed.find(({ node }) => node !== first.node);
  if (other === undefined) return { is: 'one', node: first.node };
  const message = `${first.what} is on node ${first.node} and ${other.what} on node ${other.node}: no node has both`;
  return { is: 'none', reason: 'NeighboursApart', message };
}

/** Of a fork that no node has, none has anything: what it had of its source is gone, if it ever had. */
function withoutSource({ instance, now }: PlacementWorld, source: Neighbour): NodeChoice {
  const lack = `${source.what} ${lackOf(source)}`;
  const againMs = instance.createdAt + SOURCE_MS - now;
  if (source.is !== 'absent') return { is: 'later', reason: 'SourceNotReady', message: lack };
  if (againMs > 0) return { is: 'later', reason: 'SourceNotReady', message: lack, againMs };
  const message = `${lack}, and no node has disks of this one: declare that Instance, or delete this one`;
  return { is: 'none', reason: 'SourceNotFound', message };
}

function lackOf({ is }: Neighbour): string {
  return is === 'absent' ? 'is not there' : 'has no node yet';
}
