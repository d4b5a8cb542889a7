import { mayShowSecrets } from '../api/inheritance.ts';
import type { ImageState } from '../machine/image.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { InstanceRecord } from '../machine/record.ts';
import type { Desired, World } from '../plan/world.ts';
import type { Eyes } from './eyes.ts';

type ImageEyes = Pick<Eyes, 'images'> & {
  readonly declarations: Pick<Eyes['declarations'], 'pullSecretsOf'>;
};
type Asked = { readonly reference: string; readonly digest?: string };

/** The pinned image stays the one that is spoken of; a newly wished one is seen beside it. */
export async function seeImages(
  eyes: ImageEyes,
  key: InstanceKey,
  desired: Desired,
  record: InstanceRecord | undefined,
): Promise<Pick<World, 'image' | 'nextImage'>> {
  const look = await looker(eyes, key, desired);
  const pinned = record?.image;
  const wished = desired.is === 'wanted' ? desired.instance.spec.image : undefined;
  const next = wished === undefined ? undefined : () => look({ reference: wished });
  if (pinned === undefined) return { image: (await next?.()) ?? { state: 'absent' } };
  const image = await look(pinned);
  if (next === undefined || wished === pinned.reference) return { image };
  return { image, nextImage: await next() };
}

/** An image as it is for those who show these credentials. Without them, only one that is here already will do. */
async function looker(
  { images, declarations }: ImageEyes,
  key: InstanceKey,
  desired: Desired,
): Promise<(image: Asked) => Promise<ImageState>> {
  if (desired.is !== 'wanted' || !mayShowSecrets(desired.instance.spec)) return (image) => images.look(image);
  const secrets = await declarations.pullSecretsOf(key);
  if (secrets.is === 'ready') return (image) => images.look({ ...image, credentials: secrets.configs });
  const { reason, message } = secrets;
  return async (image) => {
    const seen = await images.look(image);
    if (seen.state === 'ready') return seen;
    return { state: 'failed', fate: 'transient', reason, message, retryAt: Infinity };
  };
}
