import type { Neighbour, PlacementWorld } from './placement-world.ts';

/** Where the scheduler may look. */
export type NodeChoice =
  | { readonly is: 'free' }
  /** Something of the Instance is there, or of what it needs. */
  | { readonly is: 'one'; readonly node: string }
  | { readonly is: 'later'; readonly reason: string; readonly message: string }
  | { readonly is: 'none'; readonly reason: string; readonly message: string };

/** A disk cannot be had from another node: the holder's own, then what a fork and what Volumes are tied to. */
export function nodeChoiceOf({ instance, source, volumes }: PlacementWorld): NodeChoice {
  if (instance.holder !== undefined) return { is: 'one', node: instance.holder };
  if (source !== undefined && source.is !== 'on')
    return { is: 'later', reason: 'SourceNotReady', message: `${source.what} ${lackOf(source)}` };
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

function lackOf({ is }: Neighbour): string {
  return is === 'absent' ? 'is not there' : 'has no node yet';
}
