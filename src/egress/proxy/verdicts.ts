import type { Visit } from './guest.ts';
import { tell } from './guest.ts';
import type { Outgoing } from './outgoing.ts';
import { refusal } from './refusal.ts';
import type { Target } from './request-target.ts';

/** Nothing that we set a secret for may be echoed back whole (row 39), and a tunnel holds no tunnel. */
export function checkMethod(method: string, isMatching: boolean): void {
  if (method === 'CONNECT' || (method === 'TRACE' && isMatching))
    throw refusal('MethodRefused', `${method} is not allowed here`);
}

export function tellLeaks(visit: Visit, target: Target, { leaked }: Outgoing): void {
  if (leaked.length === 0) return;
  tell(visit, {
    host: target.host.name,
    verdict: 'forwarded',
    reason: 'PlaceholderLeak',
    credentials: leaked,
  });
}

export function tellForwarded(visit: Visit, target: Target, { used }: Outgoing): void {
  const credentials = used.map((grant) => grant.credential);
  const verdict = used.length > 0 ? 'injected' : 'forwarded';
  tell(visit, {
    host: target.host.name,
    verdict,
    reason: used.length > 0 ? 'Granted' : 'NoGrant',
    credentials,
  });
}
