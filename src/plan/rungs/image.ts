import { mayShowSecrets } from '../../api/inheritance.ts';
import type { ImageState } from '../../machine/image.ts';
import type { InstanceRecord } from '../../machine/record.ts';
import type { Action } from '../action.ts';
import { HOST_MENDED_MS, PULL_LOOK_MS, timeText } from '../patience.ts';
import { withImage, withoutImage } from '../records.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, stuck, unmet, waiting } from '../verdict.ts';
import { hasNeverRun, isImageChanged, isRecreateWanted } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';

/**
 * Another image is taken up only while no machine is there: freely before the first run, later only under
 * updatePolicy Recreate. The overlay goes first: changes made over one image are nonsense over another.
 */
export const imageRepinned: Rung<RecordedWorld> = (world) => {
  const { record, nextImage, desired } = world;
  if (!isImageChanged(world)) return met;
  if (hasNeverRun(record))
    return unmet('ImageChanged', 'another image is taken up', ...afterDiscard(world, withoutImage(record)));
  const reference = desired.instance.spec.image;
  if (!isRecreateWanted(world) || reference === undefined) return met;
  // A new image that cannot be had does not keep the old one from running.
  if (nextImage?.state === 'failed') return met;
  if (nextImage?.state !== 'ready')
    return pulled(nextImage ?? { state: 'absent' }, pinFor(world, { reference }), world.now);
  const taken = withImage(record, reference, nextImage.digest);
  return unmet(
    'ImageChanged',
    'the overlay is discarded and another image taken up',
    ...afterDiscard(world, taken),
  );
};

export const imageReady: Rung<RecordedWorld> = (world) => {
  const { record, image, desired, now } = world;
  const { image: reference } = desired.instance.spec;
  const pin = record.image ?? (reference === undefined ? undefined : { reference });
  if (pin === undefined)
    return stuck('SourceNotReady', 'there is no image to run: the source of this fork has none');
  return pulled(image, pinFor(world, pin), now);
};

/** A moved tag changes nothing: from here on the digest is what counts. */
export const imagePinned: Rung<RecordedWorld> = ({ record, image, desired }) => {
  const reference = desired.instance.spec.image;
  if (record.image !== undefined || image.state !== 'ready' || reference === undefined) return met;
  return unmet('ImagePull', 'the digest of the image is being pinned', {
    kind: 'write-record',
    record: withImage(record, reference, image.digest),
  });
};

type Pin = Omit<Extract<Action, { kind: 'pull-image' }>, 'kind'>;

/** An image as this instance pulls it. */
export function pinFor({ key, desired }: RecordedWorld, { reference, digest }: Pin): Pin {
  return {
    reference,
    ...(digest === undefined ? {} : { digest }),
    ...(mayShowSecrets(desired.instance.spec) ? { secretsOf: key } : {}),
  };
}

/** One image, on its way to be there. */
export function pulled(image: ImageState, pin: Pin, now: number): Verdict {
  const pull = { kind: 'pull-image', ...pin } as const;
  switch (image.state) {
    case 'ready':
      return met;
    case 'absent':
      return unmet('ImagePull', `pulling ${pin.reference}`, pull);
    case 'pulling':
      return waiting('ImagePull', `pulling ${pin.reference}: ${image.progress}`, PULL_LOOK_MS);
    case 'failed':
      if (image.fate === 'invalid') return stuck(image.reason, image.message);
      if (image.retryAt === Infinity) return waiting(image.reason, image.message, HOST_MENDED_MS);
      if (now >= image.retryAt) return unmet(image.reason, `trying again: ${image.message}`, pull);
      return waiting(
        image.reason,
        `${image.message}; next try at ${timeText(image.retryAt)}`,
        image.retryAt - now,
      );
  }
}

function afterDiscard({ overlay }: RecordedWorld, record: InstanceRecord): [Action, ...Action[]] {
  const write = { kind: 'write-record', record } as const;
  return overlay.state === 'absent' ? [write] : [{ kind: 'remove-overlay', id: record.identity.id }, write];
}
