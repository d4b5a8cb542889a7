import { X509Certificate } from 'node:crypto';
import type { Authority, EgressState } from '../machine/egress.ts';
import type { InstanceId } from '../machine/ids.ts';
import type { Eyes } from './eyes.ts';

/** What the egress proxy holds for an instance, by its last word. */
export function seeEgress(egress: Eyes['egress'], id: InstanceId): EgressState {
  const problem = egress.problem();
  const held = egress.inForce(id);
  return {
    ...(problem === undefined ? {} : { problem }),
    policy:
      held === undefined
        ? { state: 'absent' }
        : {
            state: 'in-force',
            revision: held.revision,
            ports: held.ports,
            authority: authorityOf(held.certificate),
            ...(held.lacking.length === 0 ? {} : { lacking: held.lacking }),
          },
  };
}

function authorityOf(certificate: string): Authority {
  const { fingerprint256 } = new X509Certificate(certificate);
  return { certificate, fingerprint: fingerprint256.replaceAll(':', '').toLowerCase() };
}
