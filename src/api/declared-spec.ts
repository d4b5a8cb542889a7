import type { Hypervisor } from '../machine/machine.ts';
import type { EnforcementMode, EvictionPolicy, RestartPolicy, RunState, UpdatePolicy } from './instance.ts';

/** Quantities as YAML has them. */
export type QuantityWord = string | number;

/** `Instance.spec` as it is written, once the schema has accepted it. Placement is the scheduler's and not here. */
export type DeclaredSpec = {
  readonly image?: string;
  readonly forkFrom?: {
    readonly instance: string;
    readonly fromRunning?: boolean;
    readonly credentials?: 'Inherit' | 'None';
  };
  readonly imagePullSecrets?: readonly { readonly name: string }[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly envFrom?: readonly DeclaredEnvFrom[];
  readonly credentials?: Readonly<Record<string, DeclaredCredential>>;
  readonly vcpus?: number;
  readonly size?: QuantityWord;
  readonly hotplugSize?: QuantityWord;
  readonly overlaySize?: QuantityWord;
  readonly diskIoBps?: QuantityWord;
  readonly network?: {
    readonly enabled?: boolean;
    readonly bandwidthDownload?: QuantityWord;
    readonly bandwidthUpload?: QuantityWord;
    readonly egress?: {
      readonly enabled?: boolean;
      readonly enforcement?: { readonly mode?: EnforcementMode };
    };
  };
  readonly hypervisor?: Hypervisor;
  readonly volumes?: readonly DeclaredVolume[];
  readonly devices?: readonly string[];
  readonly gpu?: { readonly profile?: string };
  readonly skipGuestAgent?: boolean;
  readonly skipKernelHeaders?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
  readonly state?: RunState;
  readonly restartPolicy?: RestartPolicy;
  readonly updatePolicy?: UpdatePolicy;
  readonly evictionPolicy?: EvictionPolicy;
};

export type DeclaredEnvFrom = {
  readonly secretRef?: { readonly name: string; readonly optional?: boolean };
  readonly fileRef?: { readonly path: string };
};

export type DeclaredCredential = {
  readonly source: { readonly env: string };
  readonly inject: readonly {
    readonly hosts?: readonly string[];
    readonly as: { readonly header: string; readonly format: string };
    readonly when?: 'always' | 'placeholder';
  }[];
};

export type DeclaredVolume = {
  readonly volume: string;
  readonly mountPath: string;
  readonly readonly?: boolean;
  readonly overlay?: boolean;
  readonly overlaySize?: QuantityWord;
};
