import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLog } from '../../src/log.ts';
import { instanceId } from '../../src/machine/ids.ts';
import type { ProcessIdentity } from '../../src/machine/machine.ts';
import { openControlSocket } from '../../src/serve/control-socket.ts';
import type { ControlSocket } from '../../src/serve/control-socket.ts';
import { scriptedEgress } from './scripted-egress.ts';
import type { ScriptedEgress } from './scripted-egress.ts';
import { scriptedGuest } from './scripted-guest.ts';

export type AuditedController = {
  /** State and run directory in one. */
  readonly base: string;
  readonly proxy: ScriptedEgress;
  /** Which instances it knows, by key. */
  readonly known: Record<string, string>;
  /** The VMMs that run, by key. */
  readonly vmms: Record<string, ProcessIdentity>;
  readonly places: readonly string[];
  /** The socket is there again, or is there no longer. */
  readonly open: () => Promise<void>;
  readonly close: () => Promise<void>;
  /** Ends it and removes what it left. */
  readonly end: () => Promise<void>;
};

/** The control socket of a controller with a scripted proxy behind it. */
export async function auditedController(): Promise<AuditedController> {
  const base = await mkdtemp(join(tmpdir(), 'hm-'));
  const known: Record<string, string> = {
    'default/web': 'idweb',
    'default/db': 'iddb',
    'other/web': 'idother',
  };
  const ids = Object.entries(known).map(([key, id]) => [id, key] as const);
  const proxy = scriptedEgress(Object.fromEntries(ids));
  const vmms: AuditedController['vmms'] = {};
  let socket: ControlSocket | undefined;
  const open = async (): Promise<void> => {
    socket = await openControlSocket({
      path: `${base}/controller.sock`,
      links: scriptedGuest({}).links,
      egress: proxy.egress,
      resolve: (key) => {
        const id = known[key];
        return id === undefined ? undefined : { id: instanceId(id), agent: false };
      },
      processOf: (key) => Promise.resolve(vmms[key]),
      log: openLog('silent'),
      version: '1.2.3',
    });
  };
  const close = async (): Promise<void> => {
    await socket?.close();
    socket = undefined;
  };
  await open();
  return {
    ...{ base, proxy, known, vmms, open, close },
    places: ['--state-dir', base, '--run-dir', base],
    end: async () => {
      await close();
      await rm(base, { recursive: true, force: true });
    },
  };
}
