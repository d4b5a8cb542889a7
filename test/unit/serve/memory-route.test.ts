import { afterEach, beforeEach, expect, test } from 'vitest';
import { controllerAt } from '../../../src/cli/controller-client.ts';
import type { ControllerClient } from '../../../src/cli/controller-client.ts';
import { identityOf, readBootId } from '../../../src/host/processes.ts';
import { keyOf } from '../../../src/machine/ids.ts';
import { routeOf } from '../../../src/serve/routes.ts';
import { auditedController } from '../../support/audited-controller.ts';
import type { AuditedController } from '../../support/audited-controller.ts';

const WEB = keyOf('default', 'web');
const SOON = AbortSignal.timeout(60_000);

let controller: AuditedController;
let client: ControllerClient;
beforeEach(async () => {
  controller = await auditedController();
  client = controllerAt(`${controller.base}/controller.sock`);
});
afterEach(() => controller.end());

test('the memory of the VMM that runs an instance is told', async () => {
  const here = await identityOf(process.pid, await readBootId());
  if (here !== undefined) controller.vmms[WEB] = here;
  const { residentBytes = 0, sharedBytes = 0, privateBytes = 0 } = (await client.memory(WEB, SOON)) ?? {};
  expect(residentBytes).toBeGreaterThan(0);
  expect(sharedBytes + privateBytes).toBe(residentBytes);
});

test('without a VMM, or for an instance that nobody knows, there is none to tell', async () => {
  expect(await client.memory(WEB, SOON)).toBeUndefined();
  expect(await client.memory(keyOf('default', 'nobody'), SOON)).toBeUndefined();
});

test('a VMM that ended since it was seen has none either', async () => {
  const here = await identityOf(process.pid, await readBootId());
  if (here !== undefined) controller.vmms[WEB] = { ...here, startTime: here.startTime - 1 };
  expect(await client.memory(WEB, SOON)).toBeUndefined();
});

test('memory is asked for, never set', () => {
  expect(routeOf('GET', '/v1/instances/default/web/memory')).toEqual({ is: 'memory', key: WEB });
  expect(() => routeOf('PUT', '/v1/instances/default/web/memory')).toThrow(/nothing answers/);
});
