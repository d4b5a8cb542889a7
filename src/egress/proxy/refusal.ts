import { HypemanError } from '../../errors.ts';

/** Reasons and the status a guest gets for them. What is not listed is the upstream's failure: 502. */
const STATUS: Readonly<Record<string, number>> = {
  BadRequest: 400,
  BadHost: 400,
  PortRefused: 403,
  PrivateAddress: 403,
  TlsStripping: 403,
  MethodRefused: 405,
  RequestTimeout: 408,
  BodyTimeout: 408,
  UpgradeRefused: 400,
  ExpectationFailed: 417,
  HostMismatch: 421,
  HeadersTooLarge: 431,
  PolicyMissing: 503,
  TooManyConnections: 503,
  MintLimited: 503,
  CredentialMissing: 503,
  CredentialUnusable: 503,
  ConnectTimeout: 504,
  UpstreamTimeout: 504,
};

/** Refused on a connection where no status can be told. */
const OURS = new Set([
  'ForeignAddress',
  'HandshakeTimeout',
  'HelloMissing',
  'HelloTimeout',
  'NotTls',
  'PolicyChanged',
  'ServerNameMissing',
]);

/** A request that does not go on. The message is for the guest: a reason, never a detail of the host. */
export function refusal(reason: string, message: string, cause?: unknown): HypemanError {
  return new HypemanError(statusOf(reason) < 500 ? 'invalid' : 'transient', reason, message, { cause });
}

export function statusOf(reason: string): number {
  return STATUS[reason] ?? 502;
}

/** Whether we said no, or the other side failed. */
export function verdictOf(reason: string): 'refused' | 'failed' {
  return OURS.has(reason) || (STATUS[reason] ?? 504) < 504 ? 'refused' : 'failed';
}

/** The reason of any thrown value; an error of the wire gets a class and loses its text. */
export function failureOf(error: unknown): HypemanError {
  if (error instanceof HypemanError) return error;
  return refusal('UpstreamFailed', 'the connection to the destination broke', error);
}
