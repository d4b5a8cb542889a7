import type { EgressMode, ListenerPorts, Mediation } from '../../src/machine/egress.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { Action } from '../../src/plan/action.ts';
import type { World } from '../../src/plan/world.ts';

export type Law = readonly [holds: boolean, text: string];

/** What must hold of mediation, told by the declaration and the record alone. */

type Kind<K extends Action['kind']> = Extract<Action, { kind: K }>;

/** A guest that may send. */
function isUp({ machine }: World): boolean {
  return machine.state !== 'absent' && machine.state !== 'created';
}

/** It goes on with a network device that is to lead nowhere. */
function isCutOff({ record }: World): boolean {
  return record !== 'absent' && record.run?.link === 'down';
}

/** As its machine was started, or went on. */
export function hadNic(run: InstanceRecord['run']): boolean {
  return run?.applied.fields['network.enabled'] === 'true' || run?.link === 'down';
}

/** The mode that this guest's way out must have; undefined where it may leave unmediated. */
function modeDue({ desired, record }: World): EgressMode | undefined {
  if (desired.is !== 'wanted') return undefined;
  const { enabled, egress } = desired.instance.spec.network;
  if (enabled && egress.enabled) return egress.mode;
  const fields = record === 'absent' || record.stoppedAt !== undefined ? {} : record.run?.applied.fields;
  if (fields?.['network.egress.enabled'] !== 'true') return undefined;
  return enabled ? 'offered' : egress.mode;
}

/** A guest of the declaration that there is, and not of an earlier one under the same name. */
function isDeclared({ desired, record }: World): boolean {
  return desired.is === 'wanted' && (record === 'absent' || record.uid === desired.uid);
}

export function guardLaws(world: World, action: Kind<'guard-tap'>): readonly Law[] {
  return isUp(world) && isCutOff(world)
    ? [[isClosed(action.mediation), 'no guard is opened before a guest that is to have no network']]
    : openGuardLaws(world, action);
}

function openGuardLaws(world: World, { mediation }: Kind<'guard-tap'>): readonly Law[] {
  const held = portsHeld(world);
  const before = mediationIn(world);
  // What nobody can say (now, or any more) stays as it was, or as tight as can be.
  const isKept = before === undefined ? mediation?.mode !== 'offered' : mediation?.mode === before.mode;
  const isWished = isDeclared(world) ? mediation?.mode === modeDue(world) : isKept;
  return [
    [!isUp(world) || isWished, 'no guard is opened but by the wish'],
    [
      mediation?.ports === undefined || isSame(mediation.ports, held),
      'no guest is sent to ports not its own',
    ],
  ];
}

export function removalLaws(world: World, { forget }: Kind<'remove-policy'>): readonly Law[] {
  const isUsed = isUp(world) && mediationIn(world)?.ports !== undefined;
  return [
    [world.egress.problem === undefined, 'nobody speaks to a proxy that is not there'],
    [!isUp(world) || modeDue(world) === undefined || !isOnTap(world), 'no policy goes from under its guest'],
    [!isUsed || !isOnTap(world), 'no guest is led to a policy that goes'],
    [!forget || world.machine.state === 'absent', 'no CA goes from under its guest'],
  ];
}

/** Started with a network, as far as is known. */
function isOnTap({ record }: World): boolean {
  return record !== 'absent' && record.run?.applied.fields['network.enabled'] === 'true';
}

export function vcpuLaws(world: World, isResume: boolean): readonly Law[] {
  return isCutOff(world)
    ? [[isClosed(mediationIn(world)), 'no vCPU that is to have no network runs before a closed guard']]
    : openVcpuLaws(world, isResume);
}

function openVcpuLaws(world: World, isResume: boolean): readonly Law[] {
  const mode = modeDue(world);
  const mediation = mediationIn(world);
  if (mode === undefined)
    return [[mediation?.mode === undefined, 'no vCPU runs behind a guard of another time']];
  const isShut = mediation?.ports === undefined;
  const isLed = !isShut && isSame(mediation.ports, portsHeld(world));
  return [
    [mediation?.mode === mode, 'no vCPU runs before its mediation'],
    // What is let run again while the proxy is away stays cut off.
    [isLed || (isResume && isShut), 'no vCPU runs before its listeners'],
    [isResume || isCurrent(world), 'no vCPU runs before its policy'],
  ];
}

export function bootLaws(world: World, { boot, disguise }: Kind<'write-boot'>): readonly Law[] {
  const isHidden = disguise.withheld.every((name) => !Object.hasOwn(boot.imageEnv, name));
  return [
    [isHidden, 'no source of a credential is in the environment of the guest'],
    [(boot.egress !== undefined) === (modeDue(world) !== undefined), 'a guest is told of its proxy'],
  ];
}

function isClosed(mediation: Mediation | undefined): boolean {
  return mediation?.mode === 'all' && mediation.ports === undefined;
}

function mediationIn({ network: { guard } }: World): Mediation | undefined {
  return guard.state === 'guarded' ? guard.mediation : undefined;
}

function isCurrent({ desired, egress }: World): boolean {
  return (
    desired.is === 'wanted' &&
    desired.credentials.is === 'ready' &&
    egress.policy.state === 'in-force' &&
    egress.policy.revision === desired.credentials.revision
  );
}

function portsHeld({ egress }: World): ListenerPorts | undefined {
  return egress.policy.state === 'in-force' ? egress.policy.ports : undefined;
}

function isSame(one: ListenerPorts, other: ListenerPorts | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
