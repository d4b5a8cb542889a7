import type { Identity, InstanceRecord, Fields } from '../machine/record.ts';
import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import type { Hypervisor, Machine } from '../machine/machine.ts';
import type { BootDescription } from '../machine/boot.ts';
import type { Shaping } from '../machine/network.ts';

/**
 * One change to the world, with everything needed to make it and nothing secret. Every action is
 * idempotent. None waits for something slow: a pull runs on in the background, a boot is watched.
 */
export type Action =
  | { readonly kind: 'write-record'; readonly record: InstanceRecord }
  | { readonly kind: 'pull-image'; readonly reference: string; readonly digest?: string }
  | {
      readonly kind: 'create-overlay';
      readonly id: InstanceId;
      readonly bytes: number;
      readonly owner: Identity['owner'];
    }
  | { readonly kind: 'grow-overlay'; readonly id: InstanceId; readonly bytes: number }
  | { readonly kind: 'remove-overlay'; readonly id: InstanceId }
  | { readonly kind: 'create-tap'; readonly identity: Identity }
  | { readonly kind: 'guard-tap'; readonly identity: Identity }
  | { readonly kind: 'shape-tap'; readonly identity: Identity; readonly shaping: Shaping }
  | { readonly kind: 'remove-network'; readonly identity: Identity }
  /** Values of the environment are fetched by the hands; `fields` says which ones were meant. */
  | {
      readonly kind: 'write-boot';
      readonly key: InstanceKey;
      readonly boot: BootDescription;
      readonly fields: Fields;
    }
  | { readonly kind: 'start-machine'; readonly hypervisor: Hypervisor; readonly machine: Machine }
  | {
      readonly kind: 'request-shutdown';
      readonly id: InstanceId;
      readonly hypervisor: Hypervisor;
      readonly graceMs: number;
    }
  | { readonly kind: 'acknowledge-exit'; readonly id: InstanceId }
  | { readonly kind: 'kill-machine'; readonly id: InstanceId; readonly hypervisor: Hypervisor }
  /** The last step of a removal: record, directory, address. */
  | { readonly kind: 'forget-instance'; readonly key: InstanceKey; readonly identity: Identity };
