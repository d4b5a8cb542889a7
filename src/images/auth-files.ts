import { randomBytes } from 'node:crypto';
import { ensureDirectory, namesIn, removeFile, replaceFile } from '../host/files.ts';
import type { Roots } from '../machine/paths.ts';
import type { RegistryCredential } from './registry-credential.ts';

/** Files that skopeo reads a credential from, each for as long as one piece of work. */
export type AuthFiles = {
  during<T>(credential: RegistryCredential, work: (path: string) => Promise<T>): Promise<T>;
  /** Removes what a crash left. */
  collect(): Promise<void>;
};

/** In a directory of root's alone under the run directory, which is gone with the host's memory. */
export function openAuthFiles({ run }: Pick<Roots, 'run'>): AuthFiles {
  const directory = `${run}/registry-auth`;
  const inUse = new Set<string>();
  return {
    during: async ({ authFile }, work) => {
      const name = `${randomBytes(8).toString('hex')}.json`;
      inUse.add(name);
      try {
        await ensureDirectory(directory, 0o700);
        await replaceFile(`${directory}/${name}`, authFile.reveal());
        return await work(`${directory}/${name}`);
      } finally {
        await removeFile(`${directory}/${name}`);
        inUse.delete(name);
      }
    },
    collect: async () => {
      // One that is being written has another name as yet, which its own is part of.
      const isUsed = (name: string): boolean => [...inUse].some((one) => name.includes(one));
      for (const name of await namesIn(directory))
        if (!isUsed(name)) await removeFile(`${directory}/${name}`);
    },
  };
}
