import { afterEach, beforeEach, expect, test } from 'vitest';
import { controllerOver } from '../../../src/cli/controller-client.ts';
import { describeText } from '../../../src/cli/describe-text.ts';
import { liveMemoryOf } from '../../../src/cli/live-memory.ts';
import { identityOf, readBootId } from '../../../src/host/processes.ts';
import { auditedController } from '../../support/audited-controller.ts';
import type { AuditedController } from '../../support/audited-controller.ts';
import { NOW, cli, report, reported } from '../../support/cli-run.ts';

let controller: AuditedController;
beforeEach(async () => {
  controller = await auditedController();
});
afterEach(() => controller.end());

async function described(): Promise<string> {
  return (await cli([...controller.places, 'describe', 'web'])).stdout;
}

const MIB = 1024 * 1024;

test('describe tells what the VMM of a running instance takes, by what is its own and what it shares', async () => {
  await report(controller.base, reported('web'));
  const here = await identityOf(process.pid, await readBootId());
  if (here !== undefined) controller.vmms['default/web'] = here;
  expect(await described()).toMatch(/^Resident: +\d+[MG]B\nShared: +\d+[KMG]?B\nPrivate: +\d+[MG]B$/m);
});

test('where no VMM runs there is nothing to tell', async () => {
  await report(controller.base, reported('web'));
  expect(await described()).not.toMatch(/Resident|Shared|Private/);
});

test('without a controller it is not known, and why is said', async () => {
  await report(controller.base, reported('web'));
  await controller.close();
  expect(await described()).toMatch(/^Resident: +not known: it needs a running controller$/m);
});

test('nobody is asked about an instance that has no machine', async () => {
  const client = { memory: () => Promise.reject(new Error('nobody should ask')) };
  for (const state of ['Stopped', 'Standby', 'Created'] as const)
    expect(await liveMemoryOf(client, reported('web', { status: { state } }))).toEqual({ is: 'known' });
  expect(await liveMemoryOf(client, reported('web'))).toMatchObject({ is: 'unknown' });
});

test('a controller that does not answer is not waited for without end', async () => {
  const silent = controllerOver(() => new Promise(() => undefined));
  const hurry = AbortSignal.timeout(20);
  const why = 'its controller does not answer';
  expect(await liveMemoryOf(silent, reported('web'), hurry)).toEqual({ is: 'unknown', why });
});

test('sizes are round: the last kilobytes of a large process are others a moment later', () => {
  const memory = { residentBytes: 131.4 * MIB, sharedBytes: 1024 * MIB + 1, privateBytes: 12 * 1024 };
  const text = describeText(reported('web'), NOW, { memory: { is: 'known', memory } });
  expect(text).toMatch(/^Resident: +131MB\nShared: +1GB\nPrivate: +12KB$/m);
});
