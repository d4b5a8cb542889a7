import { EGRESS_ID } from '../../egress/place.ts';
import { BUNDLES } from '../../egress/proxy/trust-store.ts';
import { messageOf } from '../../errors.ts';
import { fail, ok, warn } from './check.ts';
import type { Check } from './check.ts';

/** Whether a process can be what the egress proxy is: without a privilege, and as a user of its own. */
export const proxyUserCheck: Check = {
  name: 'egress proxy',
  look: async ({ run }) => {
    const fix =
      'apt-get install util-linux; in a container, allow the capabilities SETUID, SETGID and SETPCAP, and users ' +
      `up to ${EGRESS_ID}`;
    const user = [`--reuid=${EGRESS_ID}`, `--regid=${EGRESS_ID}`, '--clear-groups'];
    const bare = ['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all'];
    try {
      const { exitCode, stderr } = await run('setpriv', [
        ...user,
        ...bare,
        '--',
        'prlimit',
        '--core=0',
        'true',
      ]);
      if (exitCode === 0) return ok(`it can run as user ${EGRESS_ID} without any privilege`);
      return fail(`it cannot run as user ${EGRESS_ID}: ${stderr.trim().split('\n')[0] ?? ''}`, fix);
    } catch (error) {
      return fail(messageOf(error), fix);
    }
  },
};

/** By which certificates the servers behind the egress proxy are known. */
export const trustBundleCheck: Check = {
  name: 'trusted CAs',
  look: async ({ read }) => {
    for (const path of BUNDLES)
      if ((await read(path))?.includes('BEGIN CERTIFICATE') === true)
        return ok(`the egress proxy trusts ${path}`);
    return warn(
      `none of ${BUNDLES.join(', ')} is there: the egress proxy trusts the list that its Node.js was built with`,
      'apt-get install ca-certificates',
    );
  },
};
