import type { Authority } from './egress.ts';
import type { InstanceId } from './ids.ts';

/** What of the declared environment is replaced before the guest has it. */
export type Disguise = {
  /** Variables that are left out: the sources of credentials. */
  readonly withheld: readonly string[];
  /** Variables that are put in, with their text: `mock-NAME` under NAME. */
  readonly placeholders: Readonly<Record<string, string>>;
};

/** A volume that init mounts before the program starts. */
export type BootVolume = {
  readonly name: string;
  readonly mountPath: string;
  readonly serial: string;
  readonly readonly: boolean;
  /** The serial of the writable layer over it. */
  readonly layer?: string;
};

/** What init is told at boot, but for the values of the environment. */
export type BootDescription = {
  readonly id: InstanceId;
  readonly hostname: string;
  /** The resolved program: the image's words with the spec's in their place. */
  readonly argv: readonly string[];
  /** From the image; the instance's own environment goes over it. */
  readonly imageEnv: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string;
  readonly stopSignal: string;
  readonly agent: boolean;
  readonly network?: { readonly ip: string; readonly gateway: string; readonly mac: string };
  /** In the order of mounting. */
  readonly volumes?: readonly BootVolume[];
  /** What a mediated guest is told: its proxy and the CA to trust. */
  readonly egress?: {
    /** `http://10.100.0.1:3128`: the value of HTTP_PROXY and HTTPS_PROXY. */
    readonly proxy: string;
    /** The value of NO_PROXY. */
    readonly noProxy: string;
    readonly authority: Authority;
  };
};
