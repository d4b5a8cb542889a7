import type { InstanceEvent } from './api/reported.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { Source } from './sources/source.ts';
import { openTurns } from './host/turns.ts';

/** A source to which more than one voice speaks. */
export type SharedSource = {
  readonly source: Source;
  /** Adds events to what was last reported; nothing where nothing was. */
  readonly tell: (key: InstanceKey, events: readonly InstanceEvent[]) => Promise<void>;
};

/**
 * One report at a time for each instance: a report names the whole status, so one that was begun with an
 * older status and ends later would take a newer one back.
 */
export function reportsInTurn(source: Source): SharedSource {
  const inTurn = openTurns();
  return {
    source: {
      start: (notify) => source.start(notify),
      keys: () => source.keys(),
      declared: (key) => source.declared(key),
      environmentOf: (key) => source.environmentOf(key),
      pullSecretsOf: (key) => source.pullSecretsOf(key),
      ...(source.volumes === undefined ? {} : { volumes: source.volumes }),
      lastStatus: (key) => source.lastStatus(key),
      report: (key, status, events) => inTurn(key, () => source.report(key, status, events)),
      forget: (key) => inTurn(key, () => source.forget(key)),
      close: () => source.close(),
    },
    tell: (key, events) =>
      inTurn(key, async () => {
        const status = source.lastStatus(key);
        if (status !== undefined) await source.report(key, status, events);
      }),
  };
}
