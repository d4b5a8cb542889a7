import { quantityText } from '../api/quantity.ts';
import { unreachable } from '../errors.ts';
import { pluggedBytes } from '../machine/hotplug.ts';
import type { Machine } from '../machine/machine.ts';
import type { PolicyShape } from '../machine/egress.ts';
import type { Action } from '../plan/action.ts';

/** One action as a person would say it. Names what is touched, never a value of the environment. */
// eslint-disable-next-line complexity, max-lines-per-function -- one line per kind of action: a table, not a decision
export function actionText(action: Action): string {
  switch (action.kind) {
    case 'write-record':
      return 'write down who the instance is';
    case 'pull-image':
      return `pull the image ${action.digest ?? action.reference}`;
    case 'create-overlay':
      return `make an overlay disk of ${sizeText(action.bytes)}`;
    case 'grow-overlay':
      return `grow the overlay disk to ${sizeText(action.bytes)}`;
    case 'remove-overlay':
      return 'discard the overlay disk and everything written to it';
    case 'create-volume':
      return `make the volume ${action.wish.key} of ${sizeText(action.wish.bytes)}`;
    case 'grow-volume':
      return `grow the volume ${action.volume} to ${sizeText(action.bytes)}`;
    case 'fit-volume-layer':
      return `make its own writable layer of ${sizeText(action.bytes)} over a volume`;
    case 'create-tap':
      return `make the network device ${action.identity.tap} for ${action.identity.ip}`;
    case 'guard-tap':
      return `guard ${action.identity.tap} with firewall rules`;
    case 'shape-tap':
      return `limit the bandwidth of ${action.identity.tap}`;
    case 'remove-network':
      return `remove the network device ${action.identity.tap} and its rules`;
    case 'write-boot':
      return 'write the boot archive';
    case 'start-machine':
      return `start a ${action.hypervisor} machine: ${action.machine.vcpus} vCPUs, ${sizeText(action.machine.memoryBytes)}`;
    case 'suspend-machine':
      return `suspend the machine and keep its ${sizeText(ramBytesOf(action.machine))} of memory`;
    case 'grow-memory':
      return `add memory to the machine, which runs on: ${sizeText(action.bytes)} in all`;
    case 'throttle-disks':
      return action.bytesPerSecond === 0
        ? 'take the limit from the disks of the machine, which runs on'
        : `limit the disks of the machine, which runs on, to ${quantityText('diskRate', action.bytesPerSecond)}`;
    case 'settle-standby':
      return 'put the memory on disk, where it outlives the host going down';
    case 'restore-machine':
      return `let the ${action.hypervisor} machine go on from its memory`;
    case 'discard-standby':
      return 'discard the memory of the standby: what its programs held there is lost';
    case 'refresh-guest':
      return "set the guest's clock and give it entropy";
    case 'keep-inheritance':
      return `keep what it takes from ${action.source}, its source`;
    case 'hold-guest':
      return 'have its programs stand still';
    case 'release-guest':
      return 'let its programs go on';
    case 'freeze-machine':
      return 'freeze its memory and disks for its forks; it runs on';
    case 'freeze-disks':
      return 'freeze its disks for its forks';
    case 'clone-disks':
      return "copy its source's disks";
    case 'identify-guest':
      return `make the guest itself: ${action.identity.hostname}, ${action.identity.network?.ip ?? 'no network'}`;
    case 'request-shutdown':
      return `ask the guest to shut down within ${action.graceMs / 1000} s`;
    case 'put-policy':
      return `put its egress policy in force: ${rulesText(action.policy)}, mode ${action.policy.mode}`;
    case 'remove-policy':
      return 'take its egress policy away: nothing gets through the proxy for it any more';
    case 'trust-authority':
      return "have the guest trust its egress proxy's CA";
    case 'acknowledge-exit':
      return "take note of the program's exit";
    case 'kill-machine':
      return `end the ${action.hypervisor} process`;
    case 'forget-instance':
      return 'forget the instance and release its address';
    default:
      return unreachable(action);
  }
}

/** `2 credentials in 3 rules` */
function rulesText({ grants }: PolicyShape): string {
  const names = new Set(grants.map(({ credential }) => credential)).size;
  if (names === 0) return 'no credentials';
  return `${names} ${names === 1 ? 'credential' : 'credentials'} in ${grants.length} ${grants.length === 1 ? 'rule' : 'rules'}`;
}

function ramBytesOf({ memoryBytes, hotplug }: Machine): number {
  return memoryBytes + pluggedBytes(hotplug?.dimms ?? []);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 GiB` */
export function sizeText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Math.round((bytes / 1024 ** power) * 10) / 10} ${UNITS[power] ?? 'B'}`;
}
