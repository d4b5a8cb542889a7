import { fateOf, reasonOf } from '../errors.ts';

const STATUS: Readonly<Record<string, number>> = {
  NotFound: 404,
  FileNotFound: 404,
  NoSuchRoute: 404,
  AgentSkipped: 409,
  UpgradeRequired: 426,
};

/** The HTTP status of a failure: ours by reason, else who has to move (RFC 9110, section 15). */
export function httpStatusOf(error: unknown): number {
  const byFate = { invalid: 400, transient: 503, bug: 500 }[fateOf(error)];
  return STATUS[reasonOf(error)] ?? byFate;
}
