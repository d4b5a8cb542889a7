import type { InstanceId } from './ids.ts';

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
};
