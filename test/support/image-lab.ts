import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { ImageQuery, ImageStore } from '../../src/images/image-store.ts';
import { openImageStore } from '../../src/images/open-image-store.ts';
import type { ImageStoreOptions } from '../../src/images/open-image-store.ts';
import type { ImageState } from '../../src/machine/image.ts';
import type { Roots } from '../../src/machine/paths.ts';

export const SHARED_GID = 0x7000_0000;
const SETTLED_WITHIN_MS = 40_000;

/** Image stores over one state directory, and the changes that they told. */
export type ImageLab = {
  readonly directory: string;
  readonly roots: Roots;
  /** Every state seen at each change, by the reference that was asked for. */
  readonly told: { readonly reference: string; readonly state: ImageState }[];
  open(options?: Partial<ImageStoreOptions>): Promise<ImageStore>;
  /** Asks for an image and waits until it is ready or has failed. */
  pulled(store: ImageStore, query: ImageQuery): Promise<ImageState>;
  close(): Promise<void>;
};

export async function openImageLab(): Promise<ImageLab> {
  const directory = await mkdtemp(`${tmpdir()}/hypeman-images-`);
  const roots = { state: `${directory}/state`, run: `${directory}/run` };
  const told: ImageLab['told'] = [];
  const stores: ImageStore[] = [];
  return {
    directory,
    roots,
    told,
    open: async (options = {}) => {
      const store: ImageStore = await openImageStore({
        roots,
        sharedGid: SHARED_GID,
        authFile: `${directory}/no-credentials.json`,
        onChange: (reference) => {
          void store.look({ reference }).then((state) => told.push({ reference, state }));
        },
        ...options,
      });
      stores.push(store);
      return store;
    },
    pulled: async (store, query) => {
      store.pull(query);
      return settled(store, query);
    },
    close: async () => {
      for (const store of stores) await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The first state of an image that is not `pulling`. */
export async function settled(store: ImageStore, query: ImageQuery): Promise<ImageState> {
  const deadline = Date.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const state = await store.look(query);
    if (state.state !== 'pulling') return state;
    if (Date.now() > deadline) throw new Error(`${query.reference} is still ${JSON.stringify(state)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function readyOf(state: ImageState): Extract<ImageState, { state: 'ready' }> {
  if (state.state !== 'ready') throw new Error(`not ready: ${JSON.stringify(state)}`);
  return state;
}
