import { heldPolicy, isPolicyCurrent } from '../mediation.ts';
import type { HeldPolicy } from '../mediation.ts';
import { isRecorded } from '../known.ts';
import { mayRun } from '../suspended.ts';
import { isNetworked } from '../wishes.ts';
import type { World, Wanted } from '../world.ts';
import type { Claim } from './claim.ts';
import { claim } from './claim.ts';

/** True: the proxy holds the declared values, or will when the next start begins. Said while there are credentials. */
export function credentialsClaims(world: World): readonly Claim[] {
  const { desired } = world;
  if (desired.is !== 'wanted' || Object.keys(desired.instance.spec.credentials).length === 0) return [];
  const { credentials } = desired;
  if (credentials.is === 'missing') return [missing(world, credentials)];
  const { problem } = world.egress;
  if (problem !== undefined && desired.instance.spec.state === 'Running')
    return [not('ProxyUnavailable', `the egress proxy cannot be reached: ${problem}`)];
  if (isIdle(world)) return [atNextStart];
  const isCurrent = isRecorded(world) && isPolicyCurrent(world);
  return [isCurrent ? synced : not('Pending', 'the declared values are being put in force')];
}

const synced = claim('CredentialsSynced', 'True', 'Synced', 'the proxy holds the declared values');
const atNextStart = claim(
  'CredentialsSynced',
  'True',
  'AtNextStart',
  'every value is there: the next start begins with them',
);

type Missing = Extract<Wanted['credentials'], { is: 'missing' }>;

function missing(world: World, { reason, message }: Missing): Claim {
  const held = isIdle(world) ? undefined : heldPolicy(world);
  return not(reason, held === undefined ? message : `${message}; until then ${meanwhile(held)}`);
}

function meanwhile({ lacking = [] }: HeldPolicy): string {
  if (lacking.length === 0) return 'the values of before stay in use';
  return `requests that need ${lacking.join(', ')} are refused, where the proxy has no value of before`;
}

/** No guest runs that could use one. */
function isIdle(world: World): boolean {
  return !mayRun(world) || (isRecorded(world) && !isNetworked(world));
}

function not(reason: string, message: string): Claim {
  return claim('CredentialsSynced', 'False', reason, message);
}
