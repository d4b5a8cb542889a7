import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { outliveContainer } from '../../../src/host/cgroups.ts';
import { identityOf, readBootId } from '../../../src/host/processes.ts';
import { openLog } from '../../../src/log.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { openPodCgroups } from '../../../src/pod-cgroups.ts';
import { KEY } from '../worlds.ts';

/**
 * In a container like the agent's: what an agent does with the process of a machine, from its start until its
 * placeholder Pod has ended. `pods` is where it tells of it, and is told: `machine.ts PLACEHOLDER-UID`.
 */
const [, , uid = ''] = process.argv;
const PODS = '/opt/hm/pods';
const ID = instanceId('abcdefghijklmnopqrstuvwx');

const child = spawn('/bin/sleep', ['2147483647'], { detached: true, stdio: 'ignore' });
child.unref();
const pid = child.pid ?? 0;
const placeOf = async (): Promise<string> =>
  (await readFile(`/proc/${pid}/cgroup`, 'utf8')).slice('0::'.length);
await outliveContainer(pid, ID);
await writeFile(`${PODS}/outlived`, await placeOf());
await writeFile(`${PODS}/pid`, String(pid));
const bootId = await readBootId();
const identity = await identityOf(pid, bootId);
if (identity === undefined) throw new Error('the machine has ended');

let hasMachine = true;
const cgroups = openPodCgroups({
  podOf: () => ({ is: existsSync(`${PODS}/let-go`) ? 'over' : 'bound', uid }),
  machineOf: () => Promise.resolve(hasMachine ? { id: ID, process: identity } : undefined),
  bootId,
  log: openLog('info'),
});
cgroups.tend(KEY);
while (!(await placeOf()).includes(`/kubepods`)) await sleep(100);
await writeFile(`${PODS}/joined`, '');
while (!existsSync(`${PODS}/let-go`)) await sleep(100);
cgroups.tend(KEY);
while ((await placeOf()).includes(`/kubepods`)) await sleep(100);
// Its process is to be seen to outlive the Pod; to the holder it is gone.
hasMachine = false;
cgroups.tend(KEY);
await sleep(2_147_483_647);
