import { randomBytes } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUNDLE_PATH } from '../../src/guest/trust-environment.ts';
import type { GuestIdentity, GuestState } from '../../src/machine/guest.ts';
import { openGuestStage } from '../support/guest-vm.ts';
import type { GuestStage, GuestVm } from '../support/guest-vm.ts';
import { makeCa } from '../support/test-ca.ts';

type Started = Extract<GuestState, { readonly state: 'started' }>;

const OLD = { ip: '10.100.0.5', gateway: '10.100.0.1', mac: '52:54:00:12:34:56' };
const NEW = { ip: '10.100.0.77', gateway: '10.100.0.1', mac: '02:68:0a:64:00:4d' };
const NEWER = { ...NEW, ip: '10.100.0.78' };
const IDENTITY = { hostname: 'forked', network: NEW, machineId: 'ab'.repeat(16) };
const YEAR_2031 = Date.UTC(2031, 0, 2, 3, 4, 5);
const YEAR_2026 = Date.UTC(2026, 5, 6, 7, 8, 9);

const sh = (script: string): readonly string[] => ['sh', '-c', script];
/** Two connections to itself: by its address, and by an address that is everybody's. */
const PROGRAM = `
  for at in 10.100.0.5:9000 127.0.0.1:9001; do
    (nc -l -p \${at#*:} < /tmp/never > /dev/null 2>&1; echo ended > /tmp/served-\${at%:*}) &
    (sleep 1; nc \${at%:*} \${at#*:} < /tmp/never > /dev/null 2>&1; echo ended > /tmp/asked-\${at%:*}) &
  done
  n=0; while :; do n=$((n+1)); echo $n > /tmp/count; sleep 0.05; done`;

let stage: GuestStage;
let root: string;
beforeAll(async () => {
  stage = await openGuestStage();
  root = await stage.image('identity', async (tree) => {
    for (const name of ['var/lib/dbus', 'var/lib/systemd'])
      await mkdir(`${tree}/${name}`, { recursive: true });
    for (const name of ['nc', 'mkfifo', 'umount', 'cp']) await symlink('busybox', `${tree}/bin/${name}`);
    await writeFile(`${tree}/etc/machine-id`, `${'0'.repeat(32)}\n`);
    await symlink('/etc/machine-id', `${tree}/var/lib/dbus/machine-id`);
    await writeFile(`${tree}/var/lib/systemd/random-seed`, 'the same in each');
  });
});
afterAll(async () => {
  await stage.close();
});

/** Waits until the guest says so. */
async function told(vm: GuestVm, wanted: (state: Started) => boolean): Promise<Started> {
  for (let tries = 0; tries < 5000; tries += 1) {
    const seen = await vm.until('started');
    if (wanted(seen)) return seen;
    await sleep(2);
  }
  throw new Error(`never: ${JSON.stringify(vm.look())}; console:\n${await vm.console()}`);
}

function identify(vm: GuestVm, identity: GuestIdentity, epochMs = Date.now()): void {
  vm.links.identify(vm.id, identity, { epochMs, entropy: randomBytes(256) });
}

describe('a running guest that is given another identity', () => {
  let vm: GuestVm;
  const says = async (script: string): Promise<string> => (await vm.run(sh(script))).stdout.trim();
  const count = async (): Promise<number> => Number(await says('cat /tmp/count'));
  const year = (): Promise<string> => says('date -u +%Y');

  beforeAll(async () => {
    vm = await stage.boot({
      argv: sh(`mkfifo /tmp/never; (exec 3<>/tmp/never; sleep 100000) & ${PROGRAM}`),
      root,
      network: OLD,
    });
    expect(await told(vm, () => true)).toMatchObject({ identity: vm.id });
    while ((await count()) < 50) await sleep(50);
  });
  afterAll(async () => {
    await vm.kill();
  });

  test('stands still while it is held, commands of its own do not, and it goes on from there', async () => {
    vm.links.hold(vm.id);
    await told(vm, ({ held }) => held === true);
    const before = await count();
    await sleep(500);
    expect(await count()).toBe(before);
    vm.links.release(vm.id);
    await told(vm, ({ held }) => held === undefined);
    await expect.poll(count).toBeGreaterThan(before);
  });

  test('has all of it when its programs go on', async () => {
    const before = await count();
    expect(await says('ls /tmp')).not.toMatch(/served|asked/);
    identify(vm, IDENTITY, YEAR_2031);
    expect(await says('hostname; echo $HOSTNAME; cat /etc/hostname /etc/resolv.conf')).toBe(
      'forked\nforked\nforked\nnameserver 10.100.0.1',
    );
    expect(await told(vm, ({ held }) => held === undefined)).not.toHaveProperty('identityProblem');
    expect(await says('ip addr show eth0; ip route')).toMatch(
      /ether 02:68:0a:64:00:4d.*inet 10\.100\.0\.77\/32.*default via 10\.100\.0\.1 dev eth0/s,
    );
    expect(await says('ip -4 -o addr show eth0')).not.toContain(OLD.ip);
    expect(await says('cat /etc/hosts')).toContain('10.100.0.77 forked');
    expect(await says('cat /etc/machine-id /var/lib/dbus/machine-id; ls /var/lib/systemd')).toBe(
      `${'ab'.repeat(16)}\n${'ab'.repeat(16)}`,
    );
    expect(await year()).toBe('2031');
    await expect.poll(count).toBeGreaterThan(before);
  });

  test('has lost the connections of the old address at once, and no others', async () => {
    await expect
      .poll(() => says('ls /tmp | grep ended; ls /tmp | grep -E "served|asked"'))
      .toBe('asked-10.100.0.5\nserved-10.100.0.5');
  });

  test('is told the same again, and nothing changes, the clock neither', async () => {
    identify(vm, IDENTITY, YEAR_2026);
    expect(await year()).toBe('2031');
  });

  test('takes the host’s time forward and back', async () => {
    vm.links.setClock(vm.id, YEAR_2026);
    expect(await year()).toBe('2026');
    vm.links.setClock(vm.id, YEAR_2031);
    expect(await year()).toBe('2031');
    vm.links.reseed(vm.id, randomBytes(512));
    expect(await says('head -c 8 /dev/urandom')).not.toBe('');
    expect(await vm.console()).not.toContain('cannot');
  });

  test('has its interface under any name that it gave it', async () => {
    await says('ip link set eth0 down; ip link set eth0 name lan0; ip link set lan0 up');
    identify(vm, { ...IDENTITY, network: NEWER });
    expect(await says('ip -4 -o addr show lan0; ip route')).toMatch(/10\.100\.0\.78\/32.*default via/s);
  });

  test('tells of a file that cannot be written, and is the other one all the same', async () => {
    await says('mount -o bind /etc/hosts /etc/hosts');
    identify(vm, { ...IDENTITY, network: NEW });
    expect(await told(vm, ({ identityProblem }) => identityProblem !== undefined)).toMatchObject({
      identity: vm.id,
      identityProblem: 'cannot write the new name into /etc/hosts: Device or resource busy',
    });
    expect(await says('ip -4 -o addr show lan0')).toContain('10.100.0.77/32');
    await says('umount /etc/hosts');
  });

  test('without its place on the network it has none and stands still, until it gets one', async () => {
    const multicast = { ...NEW, mac: '03:00:00:00:00:01' };
    identify(vm, { ...IDENTITY, network: multicast });
    const lost = await told(vm, ({ identity }) => identity === undefined);
    expect(lost).toMatchObject({
      held: true,
      identityProblem: expect.stringContaining('cannot change the MAC') as unknown,
    });
    expect(await says('ip link show lan0')).not.toContain('UP');
    const before = await count();
    identify(vm, IDENTITY);
    expect(await told(vm, ({ identity }) => identity === vm.id)).not.toHaveProperty('identityProblem');
    expect(await says('ip link show lan0')).toContain('UP');
    await expect.poll(count).toBeGreaterThan(before);
  });

  test('trusts the CA of its own proxy alone, and none when it has no proxy', async () => {
    const [one, other] = await Promise.all([makeCa('/CN=one'), makeCa('/CN=two')]);
    for (const { authority } of [one, other]) {
      identify(vm, { ...IDENTITY, authority });
      const { fingerprint } = authority;
      await told(vm, ({ trust }) => trust?.state === 'installed' && trust.fingerprint === fingerprint);
      expect(await says(`grep -c BEGIN ${BUNDLE_PATH}`)).toBe('1');
    }
    identify(vm, IDENTITY);
    await told(vm, ({ trust }) => trust?.state === 'none');
    expect((await vm.run(['cat', BUNDLE_PATH])).code).not.toBe(0);
  });

  test('ends when it is shut down while it is held', async () => {
    vm.links.hold(vm.id);
    await told(vm, ({ held }) => held === true);
    vm.links.shutdown(vm.id, 20_000);
    expect(await vm.until('exited')).toMatchObject({ exit: { code: 143 } });
  });
});

test('a full system without groups to hold is told another identity all the same, and says so', async () => {
  const vm = await stage.boot({ argv: ['/sbin/init'], root, network: OLD });
  await vm.until('started');
  identify(vm, IDENTITY);
  expect(await told(vm, ({ identityProblem }) => identityProblem !== undefined)).toMatchObject({
    identity: vm.id,
    identityProblem: expect.stringContaining('cannot hold the programs') as unknown,
  });
  expect((await vm.run(sh('hostname; ip -4 -o addr show eth0'))).stdout).toMatch(/^forked\n.*10\.100\.0\.77/);
  await vm.kill();
});
