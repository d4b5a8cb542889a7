import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** The CRD of Instance as it is shipped, parsed. */
export function instanceCrd(): unknown {
  return parse(readFileSync(new URL('../../crds/hypeman.dev_instances.yaml', import.meta.url), 'utf8'));
}
