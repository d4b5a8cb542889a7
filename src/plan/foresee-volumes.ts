import { nameOf } from '../machine/ids.ts';
import type { Action } from './action.ts';
import type { VolumeSeen, VolumesSeen } from './volumes.ts';

type OnVolume = Extract<Action, { kind: 'create-volume' | 'grow-volume' | 'fit-volume-layer' }>;

/** The volumes if the action did what it says. */
export function volumesAfter(volumes: VolumesSeen = {}, action: OnVolume): VolumesSeen {
  return Object.fromEntries(Object.entries(volumes).map(([name, seen]) => [name, after(name, seen, action)]));
}

function after(name: string, seen: VolumeSeen, action: OnVolume): VolumeSeen {
  const { disk } = seen;
  switch (action.kind) {
    case 'create-volume': {
      const { key, id, bytes } = action.wish;
      return nameOf(key) === name ? { ...seen, disk: { state: 'ready', id, path: '', bytes } } : seen;
    }
    case 'grow-volume':
      if (nameOf(action.volume) !== name || disk.state !== 'ready') return seen;
      return { ...seen, disk: { ...disk, bytes: action.bytes } };
    case 'fit-volume-layer':
      return disk.state === 'ready' && disk.id === action.volume
        ? { ...seen, layerBytes: action.bytes }
        : seen;
  }
}
