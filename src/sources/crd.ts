import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { HypemanError } from '../errors.ts';
import { readIfThere } from '../host/files.ts';

const INSTANCES = 'crds/hypeman.dev_instances.yaml';
const VOLUMES = 'crds/hypeman.dev_volumes.yaml';

/** The resource schema of Instance, as the parsed document. */
export async function readCrd(): Promise<unknown> {
  return readSchema(INSTANCES);
}

/** The same of Volume. */
export async function readVolumeCrd(): Promise<unknown> {
  return readSchema(VOLUMES);
}

/**
 * A schema stands beside `src/` in a checkout and beside `dist/`
 * in the published package, so it is looked for upwards from this file to the package's own root.
 */
async function readSchema(crd: string): Promise<unknown> {
  let directory = dirname(fileURLToPath(import.meta.url));
  while ((await readIfThere(`${directory}/package.json`)) === undefined) {
    const parent = dirname(directory);
    if (parent === directory)
      throw new HypemanError('bug', 'CrdMissing', `${crd} is missing: install hypeman-controller again`);
    directory = parent;
  }
  return parse(await readFile(`${directory}/${crd}`, 'utf8')) as unknown;
}
