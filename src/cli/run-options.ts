import type { LogLevel } from '../log.ts';
import type { Hypervisor } from '../machine/machine.ts';

/** Where Instances are declared. */
export type DeclarationsPlace =
  | {
      readonly in: 'directories';
      /** Absolute, at least one. */
      readonly watch: readonly string[];
      /** An empty or vanished directory means that its instances are to be removed. */
      readonly pruneAll: boolean;
    }
  | {
      readonly in: 'cluster';
      /** Absent: the service account of the Pod that this runs in. */
      readonly kubeconfig?: { readonly path: string; readonly context?: string };
    };

/** What `run` was told, parsed: numbers are numbers, and what can be checked without the host is checked. */
export type RunOptions = {
  readonly stateDir: string;
  readonly runDir: string;
  readonly declarations: DeclarationsPlace;
  /** Bring everything to rest once and end. */
  readonly once: boolean;
  /** How long `once` may take. */
  readonly timeoutMs: number;
  /** IPv4 in CIDR notation. */
  readonly subnet: string;
  /** Upstream name servers; empty takes the host's own. */
  readonly dns: readonly string[];
  /** Absent: the newest that `setup` unpacked. */
  readonly kernel?: string;
  /** The directory of the modules that belong to `kernel`. */
  readonly kernelModules?: string;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  /** For instances that name none. */
  readonly hypervisor: Hypervisor;
  /** Instances worked on at one time. */
  readonly concurrency: number;
  readonly resyncMs: number;
  /** Where probes and metrics are served, or nowhere. */
  readonly listen: { readonly address: string; readonly port: number } | 'off';
  /** Where metrics alone are served too: to the network, unlike `listen`. */
  readonly metricsListen: { readonly address: string; readonly port: number } | 'off';
  readonly logLevel: LogLevel;
  readonly nodeName: string;
  /** A Docker-style config.json with registry credentials. */
  readonly registryAuth?: string;
  /** What lies behind the egress proxy. */
  readonly upstream: {
    /** PEM; absolute. */
    readonly caFile?: string;
    /** CIDR. */
    readonly networks: readonly string[];
    /** Addresses by name, in lower case. */
    readonly hosts: Readonly<Record<string, readonly string[]>>;
  };
};
