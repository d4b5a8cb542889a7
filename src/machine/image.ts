/** The parts of an OCI image's configuration that a start needs (image-spec, config.md). */
export type ImageConfig = {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string;
  readonly stopSignal: string;
};

/** An image as it was asked for, and exactly. */
export type PinnedImage = { readonly reference: string; readonly digest: string };

/** `docker.io/library/nginx:1.29@sha256:…`, as a user is told. */
export function withDigest({ reference, digest }: PinnedImage): string {
  return reference.includes('@') ? reference : `${reference}@${digest}`;
}

export type ImageState =
  | { readonly state: 'absent' }
  | { readonly state: 'pulling'; readonly progress: string }
  | {
      readonly state: 'failed';
      readonly fate: 'invalid' | 'transient';
      readonly reason: string;
      readonly message: string;
      /** When a transient failure should be tried again, ms since the epoch; Infinity: once something else changed. */
      readonly retryAt: number;
    }
  | {
      readonly state: 'ready';
      readonly digest: string;
      /** The read-only erofs file. */
      readonly rootDisk: string;
      readonly config: ImageConfig;
      /** Why this may not be what the tag names today: the registry was away. */
      readonly note?: string;
    };
