import { listOf, textAt, valueAt } from '../../../api/raw.ts';
import type { CountedEvent, ReportedInstance } from '../../../api/reported.ts';
import { isSuccess } from '../api-server.ts';
import type { ApiServer } from '../api-server.ts';
import { refusalOf } from './refusals.ts';

/** What the server still knows (an hour, as a rule), the oldest first. Throws what it refused. */
export async function readEvents(
  api: ApiServer,
  { metadata: { namespace, uid } }: ReportedInstance,
): Promise<readonly CountedEvent[]> {
  // core/v1 shows those of events.k8s.io too, and can select by object.
  const query = new URLSearchParams({ fieldSelector: `involvedObject.uid=${uid}`, limit: '500' });
  const path = `/api/v1/namespaces/${namespace}/events?${query.toString()}`;
  const answer = await api.ask({ method: 'GET', path });
  if (!isSuccess(answer)) throw refusalOf(answer, 'list events');
  return listOf(answer.body.items)
    .map(eventIn)
    .sort((one, other) => one.at - other.at);
}

/** Which of its times and counts an event has depends on the API by which it was written. */
function eventIn(item: unknown): CountedEvent {
  const made = [['eventTime'], ['metadata', 'creationTimestamp']];
  const count = valueAt(item, ['series', 'count']) ?? valueAt(item, ['count']);
  return {
    type: textAt(item, ['type']) === 'Warning' ? 'Warning' : 'Normal',
    reason: textAt(item, ['reason']) ?? '',
    message: textAt(item, ['message']) ?? '',
    at: timeAt(item, [['series', 'lastObservedTime'], ['lastTimestamp'], ...made]),
    firstAt: timeAt(item, [['firstTimestamp'], ...made]),
    count: typeof count === 'number' && count > 0 ? count : 1,
  };
}

/** The first of these fields that is set. */
function timeAt(item: unknown, paths: readonly (readonly string[])[]): number {
  return Date.parse(paths.map((path) => textAt(item, path)).find((text) => text !== undefined) ?? '');
}
