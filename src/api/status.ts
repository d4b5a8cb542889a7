import type { Hypervisor } from '../machine/machine.ts';

/** metav1.Condition of the Kubernetes API. */
export type Condition = {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, seconds. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
};

/** The reference system's eight. */
export type ReportedState =
  'Created' | 'Initializing' | 'Running' | 'Paused' | 'Shutdown' | 'Stopped' | 'Standby' | 'Unknown';

/** `Instance.status`, field for field as the CRD has it. Quantities in their canonical text. */
export type InstanceStatus = {
  readonly id?: string;
  readonly observedGeneration: number;
  readonly appliedGeneration?: number;
  readonly pendingFields?: readonly string[];
  readonly state?: ReportedState;
  readonly stateError?: string;
  readonly hypervisor?: Hypervisor;
  readonly image?: string;
  readonly createdAt?: string;
  readonly startedAt?: string;
  readonly stoppedAt?: string;
  readonly exitCode?: number;
  readonly exitMessage?: string;
  readonly hasSnapshot?: boolean;
  readonly network?: {
    readonly name: string;
    readonly ip?: string;
    readonly mac?: string;
    readonly bandwidthDownload?: string;
    readonly bandwidthUpload?: string;
  };
  readonly size?: string;
  readonly hotplugSize?: string;
  readonly vcpus?: number;
  readonly overlaySize?: string;
  readonly diskIoBps?: string;
  readonly volumes?: readonly {
    readonly volume: string;
    readonly mountPath: string;
    readonly readonly: boolean;
    readonly overlay: boolean;
    readonly overlaySize?: string;
  }[];
  readonly credentials?: readonly {
    readonly name: string;
    readonly generation: number;
    readonly rotatedAt?: string;
  }[];
  readonly restarts?: number;
  /** Of a fork: the name of its source. */
  readonly fork?: {
    readonly source: string;
    /** ms that no vCPU of the source ran for it; absent while it is not known. */
    readonly sourcePauseMs?: number;
    /** How its disks were copied: with shared blocks, or all that is in them. */
    readonly diskCopy?: 'Reflink' | 'SparseCopy';
    /** When it was first itself, RFC 3339. */
    readonly completedAt?: string;
  };
  readonly nodeName?: string;
  readonly conditions: readonly Condition[];
};
