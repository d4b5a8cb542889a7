import { HypemanError } from '../errors.ts';
import { statIfThere } from '../host/files.ts';
import { followFile, tailOf } from '../host/followed-file.ts';
import type { InstanceId } from '../machine/ids.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Places } from './context.ts';
import type { LogAsked } from './fleet.ts';

/** The log of a machine on this host, as it comes. Throws `NoLog` when there is none and nothing is waited for. */
export async function* hostLog(
  { stateDir, runDir }: Places,
  id: InstanceId,
  { source, tail, follow = false }: LogAsked,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const paths = pathsFor({ state: stateDir, run: runDir }, id);
  const path = source === 'vmm' ? paths.vmmLog : paths.consoleLog;
  if (!follow && (await statIfThere(path)) === undefined) throw noLog();
  const end = tail === undefined ? undefined : await tailOf(path, tail);
  if (end !== undefined && end.text.length > 0) yield end.text;
  const goOn = async (): Promise<boolean> => follow && (await statIfThere(paths.directory)) !== undefined;
  yield* followFile(path, { from: end?.end ?? 0, signal, goOn });
}

export function noLog(): HypemanError {
  return new HypemanError(
    'transient',
    'NoLog',
    'the instance has not been started yet, or not by the controller asked: there is no log',
  );
}
