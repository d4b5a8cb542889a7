/** The parts of an OCI image's configuration that a start needs (image-spec, config.md). */
export type ImageConfig = {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string;
  readonly stopSignal: string;
};

export type ImageState =
  | { readonly state: 'absent' }
  | { readonly state: 'pulling'; readonly progress: string }
  | {
      readonly state: 'failed';
      readonly fate: 'invalid' | 'transient';
      readonly reason: string;
      readonly message: string;
      /** When a transient failure should be tried again, ms since the epoch. */
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
