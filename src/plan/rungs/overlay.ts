import type { Rung } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import { hasNeverRun } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';

/** There and at least as large as wished. It never shrinks: a smaller wish stays a pending field. */
export const overlayFits: Rung<RecordedWorld> = ({ record, overlay, desired }) => {
  const bytes = desired.instance.spec.overlayBytes;
  const { id, owner } = record.identity;
  if (overlay.state === 'absent')
    return unmet('Preparing', PREPARING, { kind: 'create-overlay', id, bytes, owner });
  if (overlay.bytes < bytes) return unmet('Preparing', PREPARING, { kind: 'grow-overlay', id, bytes });
  if (overlay.bytes > bytes && hasNeverRun(record))
    return unmet('Preparing', PREPARING, { kind: 'remove-overlay', id });
  return met;
};

/** One text for every step that takes milliseconds: a status need not be written for each. */
export const PREPARING = 'disk, network and boot archive are being prepared';
