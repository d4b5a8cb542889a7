import type { ImageState } from '../machine/image.ts';
import type { Secret } from '../secrets/secret.ts';

/** Which image, and once pinned, which exact content. */
export type ImageQuery = {
  readonly reference: string;
  readonly digest?: string;
  /**
   * Docker configs that go before the host's own where they are for the registry. What is asked with one is a pull
   * of its own, and answers for nobody who asks with another.
   */
  readonly credentials?: readonly Secret[];
};

/**
 * Images by OCI reference, unpacked once per digest to a read-only erofs file under
 * `<state>/images/<algorithm>-<hex>/`. Concurrent pulls of one image share one job; a pull that a crash
 * cut leaves only a temporary directory, which `collect` removes.
 */
export type ImageStore = {
  /** What is known now, from disk and from the pull in hand. Never touches the network. */
  look(query: ImageQuery): Promise<ImageState>;
  /** Starts a pull in the background, or joins the one that runs; returns at once. `onChange` tells its progress and end. */
  pull(query: ImageQuery): void;
  /**
   * Unpacks the files of an image, flattened, as `to.directory`, which is not there yet: with owners, modes, xattrs,
   * hard links and devices as its layers have them, which are fetched for it. Returns the digest of what was unpacked.
   * Throws what `look` would tell of a failed pull; what is in the directory then is for the caller to remove.
   */
  unpack(reference: string, to: UnpackTo): Promise<{ readonly digest: string }>;
  /**
   * Removes half-finished work, and images by age and size policy unless `isInUse` says of the digest that
   * some instance needs it, asked at the last moment. Returns what went.
   */
  collect(isInUse: (digest: string) => boolean): Promise<readonly string[]>;
  /** Aborts pulls and waits for them. */
  close(): Promise<void>;
};

export type UnpackTo = {
  readonly directory: string;
  /** As an `ImageQuery` has them. */
  readonly credentials?: readonly Secret[];
  readonly tell: (progress: string) => void;
  readonly signal: AbortSignal;
};

/** Told after each change of a pull, with the reference that was asked for. */
export type ImageListener = (reference: string) => void;
