import { eventually } from './cluster-stage.ts';

/** `eventually`, whose failure says what was waited for, beside the last answer. */
export async function until(what: string, isSo: () => unknown, withinMs = 60_000): Promise<void> {
  await eventually(isSo, withinMs).catch((cause: unknown) => {
    throw new Error(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
}
