import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { HypemanError } from '../errors.ts';
import { readIfThere } from '../host/files.ts';

const CRD = 'crds/hypeman.dev_instances.yaml';

/**
 * The resource schema, as the parsed document. It stands beside `src/` in a checkout and beside `dist/`
 * in the published package, so it is looked for upwards from this file to the package's own root.
 */
export async function readCrd(): Promise<unknown> {
  let directory = dirname(fileURLToPath(import.meta.url));
  while ((await readIfThere(`${directory}/package.json`)) === undefined) {
    const parent = dirname(directory);
    if (parent === directory)
      throw new HypemanError('bug', 'CrdMissing', `${CRD} is missing: install hypeman-controller again`);
    directory = parent;
  }
  return parse(await readFile(`${directory}/${CRD}`, 'utf8')) as unknown;
}
