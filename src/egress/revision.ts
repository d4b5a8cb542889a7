import { digestOf } from '../secrets/digest.ts';
import { Secret } from '../secrets/secret.ts';
import { policyText } from './control/policy-text.ts';
import type { Policy } from './policy.ts';

/**
 * Tells whether two policies of one instance mean the same, values included, without keeping any: a digest
 * under the instance's own salt. An edit elsewhere in the declaration (another `generation`) changes nothing.
 */
export function revisionOf(policy: Policy, salt: string): string {
  return digestOf(new Secret(JSON.stringify(policyText({ ...policy, generation: 0 }))), salt);
}
