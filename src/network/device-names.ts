import { TAP_PREFIX } from '../machine/ids.ts';
import type { TapName } from '../machine/ids.ts';

/** Upload limits queue on an ifb device beside the tap: the same name with another beginning. */
const IFB_PREFIX = 'hi-';

export function ifbFor(tap: string): string {
  return `${IFB_PREFIX}${tap.slice(TAP_PREFIX.length)}`;
}

/** The tap that a device of this installation is or belongs to; undefined for every other device. */
export function tapOf(device: string, tag: string): TapName | undefined {
  const name = device.startsWith(IFB_PREFIX) ? `${TAP_PREFIX}${device.slice(IFB_PREFIX.length)}` : device;
  return isTapOf(name, tag) ? name : undefined;
}

function isTapOf(name: string, tag: string): name is TapName {
  return name.startsWith(`${TAP_PREFIX}${tag}`);
}
