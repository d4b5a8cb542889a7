import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** The CRD of Instance as it is shipped, parsed. */
export function instanceCrd(): unknown {
  return parse(readFileSync(new URL('../../crds/hypeman.dev_instances.yaml', import.meta.url), 'utf8'));
}

/** The CRD of Volume, likewise. */
export function volumeCrd(): unknown {
  return parse(readFileSync(new URL('../../crds/hypeman.dev_volumes.yaml', import.meta.url), 'utf8'));
}
