import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { HypemanError } from '../errors.ts';
import { openLog } from '../log.ts';
import { openAuditTrail } from './audit-trail.ts';
import { openAuthority } from './authority/open-authority.ts';
import { openControl } from './control/server.ts';
import { Enforcement } from './enforcement.ts';
import { parseOutside } from './outside.ts';
import { openPolicies } from './policies.ts';
import { titleFor } from './place.ts';
import { openProxy } from './proxy/open-proxy.ts';
import { worldOf } from './world.ts';

/**
 * The egress process: `process.ts --authorities DIR --outside FILE --socket PATH [--user UID]`. It learns
 * everything else over the socket, crashes on what it did not foresee, and is started again by the controller.
 */
const { values } = parseArgs({
  options: {
    authorities: { type: 'string' },
    outside: { type: 'string' },
    socket: { type: 'string' },
    user: { type: 'string' },
  },
});
const { authorities, outside, socket, user } = values;
if (authorities === undefined || outside === undefined || socket === undefined)
  throw new HypemanError('bug', 'BadArguments', 'give --authorities, --outside and --socket');
if (user !== undefined) becomeUser(Number(user));
await proveUnprivileged();
process.umask(0o077);
process.title = titleFor(socket);

const log = openLog('info');
const policies = openPolicies();
const trail = openAuditTrail();
const authority = await openAuthority({ directory: authorities });
const world = await worldOf(parseOutside(await readFile(outside, 'utf8')));
const proxy = await openProxy({ policies, authority, audit: trail, ...world });
const enforcement = new Enforcement({ policies, authority, trail, proxy });
const control = await openControl({ path: socket, enforcement, trail, log });
process.once('SIGTERM', () => {
  void control.close().then(() => proxy.close());
});

/**
 * Gives root up for good. Not before Node has read our files, as setpriv(1) would: they may lie under a
 * home directory that this user cannot enter. Until here nothing was read but those files and argv.
 */
function becomeUser(id: number): void {
  process.setgroups?.([]);
  process.setgid?.(id);
  process.setuid?.(id);
}

/** From setuid(2) on there is nothing to hold, and by the launcher's no_new_privs nothing to gain. */
async function proveUnprivileged(): Promise<void> {
  const status = await readFile('/proc/self/status', 'utf8');
  const isBare = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].every((set) =>
    status.includes(`${set}:\t0000000000000000`),
  );
  if (process.getuid?.() === 0 || !isBare)
    throw new HypemanError(
      'bug',
      'Privileged',
      'the egress process must not run as root or with capabilities',
    );
}
