import type { Decision } from '../egress/audit.ts';
import { keyOf, nameOf, namespaceOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { printable } from './printable.ts';
import { tableText, widthsOf } from './table.ts';

export const DECISION_FORMATS = ['table', 'wide', 'json'] as const;
export type DecisionFormat = (typeof DECISION_FORMATS)[number];

const NONE = '<none>';
const NARROW = ['TIME', 'INSTANCE', 'HOST', 'WAY', 'VERDICT', 'REASON', 'CREDENTIALS'];
/** Usual widths, so that lines which come one by one stand in columns from the first on. */
const FIRST_WIDTHS = [24, 12, 24, 8, 9, 16, 12];
/** A guest chooses the host: a long one may stick out of its column but not widen it for ever. */
const WIDEST = 40;

export type DecisionText = {
  readonly format: DecisionFormat;
  readonly headers: boolean;
  /** Names as `namespace/name`. */
  readonly namespaces: boolean;
};

/** Makes the text of decisions, batch by batch; column titles come with the first. Lines of JSON for `json`. */
export function decisionText(how: DecisionText): (decisions: readonly Decision[]) => string {
  if (how.format === 'json') return (decisions) => decisions.map(jsonLine).join('');
  let titles = how.headers ? [how.format === 'wide' ? [...NARROW, 'ID'] : NARROW] : [];
  let widths: readonly number[] = FIRST_WIDTHS;
  return (decisions) => {
    if (decisions.length === 0) return '';
    const rows = [...titles, ...decisions.map((decision) => rowOf(decision, how))];
    titles = [];
    widths = widthsOf(rows, widths).map((width) => Math.min(width, WIDEST));
    return rows.map((row) => tableText([row], widths)).join('');
  };
}

/** In place of decisions that nobody will see. */
export function missedText(count: number, format: DecisionFormat): string {
  if (format === 'json') return `${JSON.stringify({ missed: count })}\n`;
  return `-- ${count} missed: they came faster than they were read\n`;
}

function rowOf(decision: Decision, { format, namespaces }: DecisionText): readonly string[] {
  const { at, instance, key, host, way, verdict, reason, credentials } = decision;
  return [
    new Date(at).toISOString(),
    namespaces ? key : nameOf(keyIn(key)),
    host === '' ? NONE : host,
    ...[way, verdict, reason],
    credentials.length === 0 ? NONE : credentials.join(','),
    ...(format === 'wide' ? [instance] : []),
  ];
}

function jsonLine({ at, instance, key, ...same }: Decision): string {
  const inForce = keyIn(key);
  const who = { namespace: namespaceOf(inForce), name: nameOf(inForce), id: instance };
  return `${printable(JSON.stringify({ time: new Date(at).toISOString(), ...who, ...same }))}\n`;
}

function keyIn(text: string): InstanceKey {
  const [namespace = '', name = ''] = text.split('/');
  return keyOf(namespace, name);
}
