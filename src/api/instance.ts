import type { Hypervisor } from '../machine/machine.ts';
import type { Secret } from '../secrets/secret.ts';

export type RunState = 'Running' | 'Standby' | 'Stopped';
export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';
export type UpdatePolicy = 'OnRestart' | 'Restart' | 'Recreate';
export type EvictionPolicy = 'Stop' | 'Standby';
export type EnforcementMode = 'all' | 'http_https_only';

/** A credential's one way out: this header, built from this format, for these hosts. */
export type Injection = {
  /** Empty means every destination. Lower case, no trailing dot. */
  readonly hosts: readonly string[];
  readonly header: string;
  readonly format: string;
  readonly when: 'always' | 'placeholder';
};

export type Credential = { readonly sourceEnv: string; readonly inject: readonly Injection[] };

export type EnvFrom =
  | { readonly from: 'secret'; readonly name: string; readonly optional: boolean }
  | { readonly from: 'file'; readonly path: string };

export type VolumeMount = {
  readonly volume: string;
  readonly mountPath: string;
  readonly readonly: boolean;
  readonly overlay: boolean;
  readonly overlayBytes?: number;
};

export type NetworkSpec = {
  readonly enabled: boolean;
  /** Bytes per second. */
  readonly downloadBps?: number;
  readonly uploadBps?: number;
  readonly egress: { readonly enabled: boolean; readonly mode: EnforcementMode };
};

/** The user's words after validation and defaults: nothing is optional that has a default. */
export type InstanceSpec = {
  readonly image?: string;
  readonly forkFrom?: {
    readonly instance: string;
    readonly fromRunning: boolean;
    readonly credentials: 'Inherit' | 'None';
  };
  /** Secrets of the same namespace with credentials for the registry of the image. */
  readonly imagePullSecrets: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** Every value is treated as a secret: the spec cannot tell which ones are. */
  readonly env: Readonly<Record<string, Secret>>;
  readonly envFrom: readonly EnvFrom[];
  readonly credentials: Readonly<Record<string, Credential>>;
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly hotplugBytes: number;
  readonly overlayBytes: number;
  readonly diskBps?: number;
  readonly network: NetworkSpec;
  /** Absent: the host's default. */
  readonly hypervisor?: Hypervisor;
  readonly volumes: readonly VolumeMount[];
  readonly devices: readonly string[];
  readonly gpuProfile?: string;
  readonly skipGuestAgent: boolean;
  readonly skipKernelHeaders: boolean;
  readonly tags: Readonly<Record<string, string>>;
  readonly state: RunState;
  readonly restartPolicy: RestartPolicy;
  readonly updatePolicy: UpdatePolicy;
  /** What becomes of it when its node is to give it up. */
  readonly evictionPolicy: EvictionPolicy;
  /** Of a fork: what its document leaves to its source; what stands there is a default, and not meant. */
  readonly silent?: readonly SilentField[];
  /** Of a fork: names of env that were its source's secrets; they do not enter the guest, whoever declares them. */
  readonly withheld?: readonly string[];
};

/** What a fork takes from its source when it says nothing of it. */
export type SilentField =
  | Exclude<
      keyof InstanceSpec,
      'forkFrom' | 'imagePullSecrets' | 'env' | 'envFrom' | 'credentials' | 'network' | 'silent' | 'withheld'
    >
  | 'network.enabled'
  | 'network.downloadBps'
  | 'network.uploadBps'
  | 'network.egress.enabled'
  | 'network.egress.mode';

export type Instance = {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: InstanceSpec;
};

/** What is wrong with one place of a document. Several are reported at once. */
export type Problem = {
  /** Keys and indexes from the document's root: `['spec', 'env', 'PORT']`; empty for the document as a whole. */
  readonly pointer: readonly (string | number)[];
  /** What is wrong and how to mend it, as one sentence each; never a secret value. */
  readonly message: string;
};
