import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ReportedVolume } from '../../src/api/reported-volume.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { volumeReportPath } from '../../src/machine/volume.ts';
import { cli, conditionOf, declare, eventually, getInstance } from '../support/controller-process.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';

let house: TestHouse;

beforeAll(async () => {
  house = await openTestHouse('10.114.0.0/24');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

async function declareVolume(name: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
  const resource = { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Volume', metadata: { name }, spec };
  await declare(house.place, `volume-${name}.yaml`, JSON.stringify(resource));
}

async function withdrawVolume(name: string): Promise<void> {
  await rm(`${house.place.watchDir}/volume-${name}.yaml`);
}

function mounting(volume: string, more: Readonly<Record<string, unknown>> = {}): { volumes: unknown[] } {
  return { volumes: [{ volume, mountPath: `/mnt/deep/${volume}`, ...more }] };
}

async function inGuest(name: string, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await cli(house.place, 'exec', name, '--', 'sh', '-c', script);
  return exitCode === 0 ? stdout : `exit ${exitCode}: ${stdout}${stderr}`;
}

async function reported(): Promise<readonly ReportedVolume[]> {
  const text = await readFile(volumeReportPath(house.place.stateDir), 'utf8').catch(() => '[]');
  return JSON.parse(text) as readonly ReportedVolume[];
}

async function untilVolume(name: string, is: (volume: ReportedVolume | undefined) => boolean): Promise<void> {
  await eventually(
    `volume ${name}`,
    async () => (await reported()).find((one) => one.name === name),
    is,
    90_000,
  );
}

async function diskOf(name: string): Promise<string> {
  const root = `${house.place.stateDir}/volumes`;
  const found = await commandOutput('grep', ['-l', `"default/${name}"`, '-r', root, '--include=volume.json']);
  return found.trim().replace(/volume\.json$/, 'disk.img');
}

async function untilReason(name: string, reason: string): Promise<string> {
  const seen = await eventually(
    `${name}: ${reason}`,
    () => getInstance(house.place, name),
    (instance) => instance?.status.conditions.find(({ type }) => type === 'Ready')?.reason === reason,
    150_000,
  );
  return seen?.status.conditions.find(({ type }) => type === 'Ready')?.message ?? '';
}

describe('a volume', () => {
  test('waits for its declaration, and then its data outlives the instance and its Volume', async () => {
    await house.declareDemo('one', mounting('data'));
    expect(await untilReason('one', 'VolumeNotFound')).toContain('default/data');
    await declareVolume('data', { size: '64MB' });
    const one = await house.untilReady('one');
    expect(one.status.volumes).toMatchObject([
      { volume: 'data', mountPath: '/mnt/deep/data', readonly: false },
    ]);
    expect(await inGuest('one', 'echo precious > /mnt/deep/data/file && cat /mnt/deep/data/file')).toBe(
      'precious',
    );
    const disk = await diskOf('data');
    expect((await stat(disk)).mode & 0o777).toBe(0o600);
    await house.remove('one');
    await withdrawVolume('data');
    await untilVolume('data', (volume) => volume?.state === 'Retained');
    expect(await stat(disk)).toMatchObject({ uid: 0, gid: 0 });
    await house.restartController();
    await declareVolume('data', { size: '96MB' });
    await house.declareDemo('two', mounting('data'));
    await house.untilReady('two');
    expect(await diskOf('data')).toBe(disk);
    expect(await inGuest('two', 'cat /mnt/deep/data/file')).toBe('precious');
    expect(Number(await inGuest('two', "df -m /mnt/deep/data | tail -1 | awk '{print $2}'"))).toBeGreaterThan(
      75,
    );
  });

  test('that is written has one user; the next gets it when that stops', async () => {
    await house.declareDemo('three', mounting('data', { readonly: true }));
    expect(await untilReason('three', 'VolumeInUse')).toContain('default/two (read-write)');
    await house.declareDemo('two', { ...mounting('data'), state: 'Stopped' });
    await house.untilReady('three');
    expect(await inGuest('three', 'cat /mnt/deep/data/file')).toBe('precious');
    expect(await inGuest('three', 'echo x > /mnt/deep/data/file')).toMatch(/exit 1.*Read-only/s);
  });

  test('that is read is shared, and an overlay keeps what one of them writes to itself', async () => {
    await house.declareDemo('four', mounting('data', { readonly: true, overlay: true, overlaySize: '32MB' }));
    await house.untilReady('four');
    expect(await inGuest('four', 'echo mine > /mnt/deep/data/file; cat /mnt/deep/data/file')).toBe('mine');
    expect(await inGuest('three', 'cat /mnt/deep/data/file')).toBe('precious');
    await house.declareDemo('four', {
      ...mounting('data', { readonly: true, overlay: true, overlaySize: '32MB' }),
      restartedAt: '2026-11-22T12:00:00Z',
    });
    await eventually(
      'restarted',
      () => getInstance(house.place, 'four'),
      (seen) => (seen?.status.startedAt ?? '') > '' && conditionOf(seen, 'UpToDate') === 'True',
    );
    await eventually(
      'still mine',
      () => inGuest('four', 'cat /mnt/deep/data/file'),
      (text) => text === 'mine',
      90_000,
    );
    await untilVolume('data', (volume) => volume?.usedBy.length === 2);
    for (const name of ['four', 'three', 'two']) await house.remove(name);
  });

  test('with Delete goes with its declaration, but not from under its user', async () => {
    await declareVolume('scratch', { size: '32MB', reclaimPolicy: 'Delete' });
    await house.declareDemo('five', mounting('scratch'));
    await house.untilReady('five');
    const disk = await diskOf('scratch');
    await withdrawVolume('scratch');
    await untilVolume('scratch', (volume) => volume?.state === 'InUse');
    expect(await inGuest('five', 'echo here > /mnt/deep/scratch/f && cat /mnt/deep/scratch/f')).toBe('here');
    await house.remove('five');
    await untilVolume('scratch', (volume) => volume === undefined);
    await expect(stat(disk)).rejects.toThrow('ENOENT');
  });

  test('that cannot be mounted keeps the program from starting, and says why', async () => {
    const file = await open(await diskOf('data'), 'r+');
    await file.write(Buffer.alloc(64 * 1024), 0, 64 * 1024, 0);
    await file.close();
    await house.declareDemo('six', { ...mounting('data'), restartPolicy: 'Never' });
    expect(await untilReason('six', 'Exited')).toContain('the volume data at /mnt/deep/data');
    expect((await getInstance(house.place, 'six'))?.status.exitCode).toBe(125);
    await house.remove('six');
  });
});

test('an archive fills a volume, another stands in it, and both are clean after a power-off', async () => {
  const files = `${house.place.watchDir}/files`;
  await mkdir(files);
  await writeFile(`${files}/hello`, 'from the archive');
  await commandOutput('tar', ['-cf', `${house.place.watchDir}/files.tar`, '-C', files, 'hello']);
  await declareVolume('outer', { size: '64MB', source: { archive: 'files.tar' }, reclaimPolicy: 'Delete' });
  await declareVolume('inner', { size: '32MB', reclaimPolicy: 'Delete' });
  const volumes = [
    { volume: 'inner', mountPath: '/data/in/side' },
    { volume: 'outer', mountPath: '/data' },
  ];
  await house.declareDemo('both', { volumes });
  await house.untilReady('both');
  expect(
    await inGuest('both', 'cat /data/hello; echo deep > /data/in/side/f; grep -c ext4 /proc/mounts'),
  ).toBe('from the archive2');
  await house.declareDemo('both', { volumes, state: 'Stopped' });
  await untilVolume('inner', (volume) => volume?.state === 'Available');
  for (const name of ['inner', 'outer']) {
    const disk = await diskOf(name);
    expect(await commandOutput('dumpe2fs', ['-h', disk])).not.toContain('needs_recovery');
    await commandOutput('e2fsck', ['-f', '-n', disk]);
  }
  expect(await commandOutput('debugfs', ['-R', 'cat /f', await diskOf('inner')])).toContain('deep');
});

test('an image fills a volume, whose digest is told', async () => {
  await declareVolume('seeded', { size: '64MB', source: { image: house.image }, reclaimPolicy: 'Delete' });
  await house.declareDemo('eight', { volumes: [{ volume: 'seeded', mountPath: '/data', readonly: true }] });
  const eight = await house.untilReady('eight');
  expect(
    await inGuest(
      'eight',
      'cat /data/etc/shells; stat -c %u /data/home/app; /data/bin/busybox true; echo $?',
    ),
  ).toBe('/bin/sh\n1000\n0');
  const seeded = (await reported()).find(({ name }) => name === 'seeded');
  // The instance runs the same image, with its digest.
  expect(seeded?.image).toBe(eight.status.image);
  await house.remove('eight');
  await withdrawVolume('seeded');
  await untilVolume('seeded', (volume) => volume === undefined);
});

describe('diskIoBps', () => {
  const MIB_WRITTEN = 24;

  /** MiB a second, over the overlay and a volume at once. */
  async function measured(): Promise<number> {
    const half = (path: string): string =>
      `dd if=/dev/zero of=${path} bs=1M count=${MIB_WRITTEN / 2} conv=fsync 2>/dev/null`;
    const time = "cut -d' ' -f1 /proc/uptime";
    const script = `sync; s=$(${time}); ${half('/big')} & ${half('/mnt/deep/fast/big')}; wait; e=$(${time}); rm /big /mnt/deep/fast/big; echo $s $e`;
    const [start = 0, end = 0] = (await inGuest('slow', script)).split(' ').map(Number);
    return MIB_WRITTEN / (end - start);
  }

  async function declared(diskIoBps: string | undefined, state = 'Running'): Promise<void> {
    const limit = diskIoBps === undefined ? {} : { diskIoBps };
    await house.declareDemo('slow', { ...mounting('fast'), ...limit, state, updatePolicy: 'Restart' });
  }

  async function untilLimit(limit: string | undefined): Promise<void> {
    await eventually(
      `diskIoBps ${limit ?? 'none'}`,
      () => getInstance(house.place, 'slow'),
      (seen) => seen?.status.diskIoBps === limit && conditionOf(seen, 'Ready') === 'True',
      150_000,
    );
  }

  function near(limit: number, figure: number): void {
    expect(figure / limit).toBeGreaterThan(0.75);
    expect(figure / limit).toBeLessThan(1.3);
  }

  test('is what a guest measures over all disks, and follows an edit while it runs on', async () => {
    await declareVolume('fast', { size: '64MB', reclaimPolicy: 'Delete' });
    await declared('4MB/s');
    await house.untilReady('slow');
    const boot = await inGuest('slow', 'cat /proc/sys/kernel/random/boot_id');
    near(4, await measured());
    await declared('8MB/s');
    await untilLimit('8MB/s');
    near(8, await measured());
    await declared(undefined);
    await untilLimit(undefined);
    expect(await measured()).toBeGreaterThan(12);
    expect(await inGuest('slow', 'cat /proc/sys/kernel/random/boot_id')).toBe(boot);

    await declared('4MB/s', 'Standby');
    await eventually(
      'standby',
      () => getInstance(house.place, 'slow'),
      (seen) => seen?.status.state === 'Standby' && conditionOf(seen, 'Ready') === 'True',
      150_000,
    );
    await declared('4MB/s');
    await untilLimit('4MB/s');
    await house.untilReady('slow');
    near(4, await measured());
    expect(await inGuest('slow', 'cat /proc/sys/kernel/random/boot_id')).toBe(boot);
  });
});
