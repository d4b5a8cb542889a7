import { benchBoot } from './boot.ts';
import { benchCluster } from './cluster.ts';
import { benchFleet } from './egress-fleet.ts';
import { benchMinting } from './egress-minting.ts';
import { benchEgressProxy } from './egress-proxy.ts';
import { benchRotation } from './egress-rotation.ts';
import { benchFork } from './fork.ts';
import { benchForkTimeline } from './fork-timeline.ts';
import type { BenchResult } from './figures.ts';
import { machineText } from './figures.ts';
import { benchReconcile } from './reconcile.ts';
import { benchStandby } from './standby.ts';

/** `npm run bench -- NAME [SIZE] [--json]`: prose on stderr; with `--json` one line on stdout. Only `cluster` has a size. */
const BENCHES: Readonly<
  Record<string, (say: (text: string) => void, size?: number) => Promise<BenchResult>>
> = {
  boot: benchBoot,
  cluster: benchCluster,
  egress: benchEgressProxy,
  'egress-fleet': benchFleet,
  'egress-minting': benchMinting,
  'egress-rotation': benchRotation,
  fork: benchFork,
  'fork-timeline': benchForkTimeline,
  reconcile: benchReconcile,
  standby: benchStandby,
};

const [name = '', size] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(
    `usage: npm run bench -- NAME [SIZE] [--json]; NAME is one of: ${Object.keys(BENCHES).join(', ')}`,
  );
  process.exit(2);
}
const { aims } = await bench(
  (text) => {
    console.error(text);
  },
  size === undefined ? undefined : Number(size),
);
for (const { figure, value, unit, aim, met } of aims)
  console.error(`${met ? 'met ' : 'MISSED'} ${figure}: ${value} ${unit} (aim: ${aim})`);
if (process.argv.includes('--json')) console.log(JSON.stringify({ name, machine: machineText(), aims }));
