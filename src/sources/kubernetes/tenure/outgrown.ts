import { quantityText } from '../../../api/quantity.ts';
import type { Declared } from '../../source.ts';
import { covers } from '../placement/placeholder-note.ts';
import type { Room } from '../placement/placeholder-note.ts';

/** The reason for which it does not start, where its placeholder Pod holds too little room. */
export const RESIZING = 'Resizing';

/**
 * What a start would need, where that is more than there is room for. What a fork leaves to its source is not known
 * here, and taken to fit.
 */
export function roomLacking(declared: Declared, room: Room | undefined): Room | undefined {
  if (declared.is !== 'wanted' || room === undefined) return undefined;
  const { silent = [], vcpus, memoryBytes, hotplugBytes } = declared.instance.spec;
  const needed = {
    vcpus: silent.includes('vcpus') ? 0 : vcpus,
    memoryBytes: silent.includes('memoryBytes') ? 0 : memoryBytes + hotplugBytes,
  };
  return covers(room, needed) ? undefined : needed;
}

export function resizingWords(room: Room, needed: Room): string {
  return (
    `its placeholder Pod holds room for ${roomText(room)}, and ${roomText(needed)} are declared: ` +
    'its next start waits for that room on its node'
  );
}

function roomText({ vcpus, memoryBytes }: Room): string {
  return `${vcpus} vCPUs and ${quantityText('size', memoryBytes)}`;
}
