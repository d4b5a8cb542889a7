import { usageFault } from './faults.ts';

type Labels = Readonly<Record<string, string>>;
type Requirement = (labels: Labels) => boolean;

const SET = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/;
const EQUALITY = /^([^\s=!]+)\s*(==|=|!=)\s*([^\s=!]*)$/;
const EXISTENCE = /^(!?)([^\s=!(),]+)$/;

/**
 * A label selector with Kubernetes' grammar: `app=web,tier!=db,env in (a,b),!old`. Throws a usage fault
 * that names the part which cannot be read.
 */
export function parseSelector(text: string): Requirement {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  const requirements = parts.filter((part) => part !== '').map(requirementOf);
  return (labels) => requirements.every((holds) => holds(labels));
}

function requirementOf(part: string): Requirement {
  const [, setKey, operator, list] = SET.exec(part) ?? [];
  if (setKey !== undefined) return setRequirement(setKey, operator === 'in', list ?? '');
  const [, key, sign, value] = EQUALITY.exec(part) ?? [];
  // As in Kubernetes, `!=` and `notin` hold for an object that lacks the label.
  if (key !== undefined) return (labels) => (labels[key] === value) !== (sign === '!=');
  const [, not, name] = EXISTENCE.exec(part) ?? [];
  if (name !== undefined) return (labels) => Object.hasOwn(labels, name) !== (not === '!');
  throw usageFault(
    `the label selector "${part}" cannot be read: write app=web, app!=web, "app in (a,b)" or app`,
  );
}

function setRequirement(key: string, isIn: boolean, list: string): Requirement {
  const values = new Set(list.split(',').map((value) => value.trim()));
  return (labels) => values.has(labels[key] ?? '') === isIn;
}
