import { boundLog } from '../host/bounded-log.ts';
import { collectCgroups } from '../host/cgroups.ts';
import { namesIn, removeTree } from '../host/files.ts';
import { instanceId } from '../machine/ids.ts';
import { pathsFor } from '../machine/paths.ts';
import { collectBases } from './fork.ts';
import type { Hands } from './hands.ts';

/** A guest's console is its own to fill; two of these per instance is what it can cost the host. */
const CONSOLE_LIMIT_BYTES = 8 * 1024 * 1024;

/** CUID2 as we make them (24 characters): nothing else in our directories is an instance's. */
const INSTANCE_NAME = /^[a-z][a-z0-9]{23}$/;

/**
 * Removes everything of ours that belongs to no record: machines first, then what they used. A record
 * is written before anything that it announces, so what has none is nobody's. Returns what went.
 */
export async function collectLeftovers(hands: Hands, signal: AbortSignal): Promise<readonly string[]> {
  const machines = await collectMachines(hands, signal);
  const taps = await hands.network.collect((tap) =>
    hands.storage.records().some(({ identity }) => identity.tap === tap),
  );
  const policies = await collectPolicies(hands);
  const files = [...(await hands.storage.collect()), ...(await hands.volumes.collect())];
  await collectCgroups();
  const bases = await collectBases(hands);
  const images = await hands.images.collect((digest) =>
    hands.storage.records().some(({ image }) => image?.digest === digest),
  );
  return [...machines, ...taps, ...policies, ...files, ...bases, ...images];
}

/** Cuts console logs that have grown past their bound. */
export async function boundConsoles(hands: Hands): Promise<void> {
  for (const { identity } of hands.storage.records()) {
    const { consoleLog, vmmLog } = pathsFor(hands.roots, identity.id);
    await boundLog(consoleLog, CONSOLE_LIMIT_BYTES);
    await boundLog(vmmLog, CONSOLE_LIMIT_BYTES);
  }
}

async function collectMachines(hands: Hands, signal: AbortSignal): Promise<readonly string[]> {
  const names = new Set([
    ...(await namesIn(hands.roots.run)),
    ...(await namesIn(`${hands.roots.state}/instances`)),
  ]);
  const strays = [...names].filter((name) => INSTANCE_NAME.test(name) && !isRecorded(hands, name));
  for (const name of strays) {
    const id = instanceId(name);
    const paths = pathsFor(hands.roots, id);
    for (const driver of Object.values(hands.drivers)) await driver.kill({ id, paths }, signal);
    hands.links.drop(id);
    await removeTree(paths.runDirectory);
  }
  return strays.map((name) => `machine ${name}`);
}

/** Policies and CAs of the egress proxy; their guests are gone, and so are the taps. */
async function collectPolicies(hands: Hands): Promise<readonly string[]> {
  const strays = (await hands.egress.known()).filter((name) => !isRecorded(hands, name));
  for (const name of strays) await hands.egress.remove(name, { forget: true });
  return strays.map((name) => `egress policy ${name}`);
}

/** A record that cannot be read is still somebody's. */
function isRecorded(hands: Hands, name: string): boolean {
  return (
    hands.storage.records().some(({ identity }) => identity.id === name) ||
    hands.storage.problems().some(({ directory }) => directory.endsWith(`/${name}`))
  );
}
