import type { CommandResult } from '../../src/host/exec.ts';
import type { ReportedInstance } from '../../src/api/reported.ts';
import { cli } from './controller-process.ts';
import { openInternet } from './egress-vm-internet.ts';
import type { Internet } from './egress-vm-internet.ts';
import { makeClientsImage } from './egress-vm-image.ts';
import type { Clients } from './egress-vm-image.ts';
import { openTestHouse } from './test-house.ts';
import type { DemoSpec, TestHouse } from './test-house.ts';

/** A controller and a small internet: what every egress suite starts from. */
export type EgressHouse = {
  readonly house: TestHouse;
  readonly internet: Internet;
  /** Declares an instance of the image with the clients; small and quick to boot for what it holds. */
  declareClients(name: string, spec: DemoSpec): Promise<void>;
  /** As the house's own `untilReady`, and keeps the evidence where it fails: before the first test nobody else does. */
  untilUp(name: string): Promise<ReportedInstance>;
  /** Runs a script in the guest, with the variables that its program has. */
  inGuest(name: string, script: string): Promise<CommandResult>;
  close(): Promise<void>;
};

/** For a script in the guest: what ignores proxy variables does so by itself, the others by this. */
export const WITHOUT_PROXY =
  'unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY;';

export async function openEgressHouse(
  subnet: string,
  clients: Clients,
  flags: readonly string[] = [],
): Promise<EgressHouse> {
  const image = await makeClientsImage(clients);
  const internet = await openInternet(subnet);
  const { address, trustBundle, names } = internet;
  const house = await openTestHouse(subnet, [
    ...['--upstream-ca', trustBundle, '--dns', address],
    ...names.flatMap((name) => ['--upstream-host', `${name}=${address}`]),
    ...flags,
  ]).catch(async (error: unknown) => {
    await internet.close();
    throw error;
  });
  return {
    house,
    internet,
    declareClients: (name, spec) => house.declareDemo(name, { image, vcpus: 2, size: '1GB', ...spec }),
    untilUp: async (name) => {
      try {
        return await house.untilReady(name);
      } catch (error) {
        await house.keepEvidence(`${name} up`);
        throw error;
      }
    },
    inGuest: (name, script) => cli(house.place, 'exec', name, '--', 'sh', '-c', script),
    close: async () => {
      try {
        await house.close();
      } finally {
        await internet.close();
      }
    },
  };
}

/** What a test varies of the credentials below. */
export type Mediated = { readonly value: string; readonly env?: Readonly<Record<string, string>> };

/** A spec with mediation and one credential, `API_KEY`, whose value is in the variable `REAL_KEY`. */
export function mediatedSpec({ value, env }: Mediated): DemoSpec {
  return {
    env: { REAL_KEY: value, ...env },
    credentials: { API_KEY: bearerFor('REAL_KEY', ['api.test', '*.wild.test']) },
    network: { egress: { enabled: true } },
  };
}

export function bearerFor(variable: string, hosts: readonly string[]): unknown {
  return {
    source: { env: variable },
    inject: [{ hosts, as: { header: 'Authorization', format: 'Bearer ${value}' } }],
  };
}

export function isMediated(seen: ReportedInstance | undefined): boolean {
  const isTrue = (type: string): boolean =>
    seen?.status.conditions.some((one) => one.type === type && one.status === 'True') === true;
  return isTrue('Ready') && isTrue('EgressEnforced') && isTrue('CredentialsSynced');
}
