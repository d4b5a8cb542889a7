import type { ReportedInstance } from '../api/reported.ts';
import { conditionOf } from './instances.ts';
import { usageFault } from './faults.ts';
import { parseJsonPath } from './json-path.ts';

/** What `--for` asks: whether it holds of an instance, or of its absence; and how it reads. */
export type Wish = {
  readonly holds: (instance: ReportedInstance | undefined) => boolean;
  readonly text: string;
};

/**
 * kubectl's grammar, and `state`: `delete`, `create`, `condition=Ready`, `condition=UpToDate=False`,
 * `jsonpath={.status.state}=Running`, `jsonpath={.status.network.ip}`, `state=Running`.
 */
export function parseFor(text: string): Wish {
  if (text === 'delete') return { text, holds: (instance) => instance === undefined };
  if (text === 'create') return { text, holds: (instance) => instance !== undefined };
  const [, kind, words = ''] = /^(condition|jsonpath|state)=(.+)$/s.exec(text) ?? [];
  if (kind === 'condition') return { text, holds: conditionWish(words) };
  if (kind === 'jsonpath') return { text, holds: pathWish(words) };
  if (kind === 'state') return { text, holds: (instance) => instance?.status.state === words };
  throw usageFault(
    `--for=${text} cannot be read: write condition=Ready, state=Running, jsonpath={.status.state}=Running, create or delete`,
  );
}

/** As kubectl: a condition that was told of an older generation does not count. */
function conditionWish(words: string): Wish['holds'] {
  const [type = '', status = 'True'] = words.split('=', 2);
  return (instance) => {
    const condition = instance === undefined ? undefined : conditionOf(instance, capitalised(type));
    if (instance === undefined || condition === undefined) return false;
    if (condition.observedGeneration < instance.metadata.generation) return false;
    return condition.status.toLowerCase() === status.toLowerCase();
  };
}

/** Condition types begin with a capital; kubectl takes `ready` too. */
function capitalised(type: string): string {
  return type.charAt(0).toUpperCase() + type.slice(1);
}

function pathWish(words: string): Wish['holds'] {
  // Quotes that a shell would have taken away may still be there, as in a copied kubectl line.
  const [, path = words, value] = /^'?(\{.*\})'?(?:=(.*))?$/s.exec(words) ?? [];
  const valueAt = parseJsonPath(path);
  return (instance) => {
    const found = instance === undefined ? undefined : valueAt(instance);
    if (value === undefined) return found !== undefined && found !== '';
    return found !== undefined && (typeof found === 'string' ? found : JSON.stringify(found)) === value;
  };
}
