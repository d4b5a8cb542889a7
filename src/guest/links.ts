import { HypemanError } from '../errors.ts';
import type { GuestState } from '../machine/guest.ts';
import type { InstanceId } from '../machine/ids.ts';
import { execRequestBytes, execSession } from './exec-session.ts';
import { readStream, statStream, writeStream } from './file-transfer.ts';
import type { GuestConnector, GuestLinks, GuestListener } from './guest-links.ts';
import { GuestLink } from './link.ts';
import type { Connection } from './connection.ts';
import { authorityRecords } from './authority-records.ts';
import { identityRecords } from './identity-records.ts';
import { FRAME_MAX, FROM_HOST, numberBytes, recordBytes } from './protocol.ts';

const ANSWER_MS = 30_000;

/** Told why a connection ended: an unruly guest is worth a line, at most. */
export type LinkLog = (id: InstanceId, why: string) => void;

/** Opens nothing by itself: a link is made by the first `look`. */
export function openGuestLinks(options: {
  readonly connect: GuestConnector;
  readonly onChange: GuestListener;
  readonly log?: LinkLog;
}): GuestLinks {
  const links = new Map<InstanceId, GuestLink>();
  const drop = (id: InstanceId): void => {
    links.get(id)?.close();
    links.delete(id);
  };
  const linkTo = (id: InstanceId, socketPath: string): GuestLink => {
    const known = links.get(id);
    if (known?.socketPath === socketPath) return known;
    drop(id);
    const link = new GuestLink(socketPath, {
      connect: options.connect,
      onChange: () => {
        options.onChange(id);
      },
      onEnd: (why) => options.log?.(id, why),
    });
    links.set(id, link);
    return link;
  };
  const reach = (id: InstanceId): Connection => reachable(links.get(id));
  return {
    look: (id, socketPath) => linkTo(id, socketPath).state,
    lastTold: (id): GuestState => links.get(id)?.state ?? { state: 'silent' },
    drop,
    ...controls((id) => links.get(id)?.connection),
    hold: (id) => links.get(id)?.hold(),
    release: (id) => links.get(id)?.release(),
    heldForMs: (id) => links.get(id)?.heldForMs(),
    exec: async (id, request) => {
      await Promise.resolve();
      return reach(id).open(FROM_HOST.exec, execRequestBytes(request), execSession).session;
    },
    stat: async (id, path) => inTime(reach(id).open(FROM_HOST.stat, pathBytes(path), statStream).answer),
    read: async (id, path) => inTime(reach(id).open(FROM_HOST.read, pathBytes(path), readStream).answer),
    write: async (id, path, mode, content) =>
      reach(id).open(FROM_HOST.write, pathBytes(path, mode), (send) => writeStream(send, content)).answer,
    close: () => {
      for (const id of links.keys()) drop(id);
    },
  };
}

type Control = 'acknowledgeExit' | 'shutdown' | 'trustAuthority' | 'identify' | 'setClock' | 'reseed';

/** Said when somebody listens; what is still wanted is said again by the next look. */
function controls(to: (id: InstanceId) => Connection | undefined): Pick<GuestLinks, Control> {
  return {
    acknowledgeExit: (id) => to(id)?.control(FROM_HOST.acknowledge),
    shutdown: (id, graceMs) => {
      const grace = Math.min(Math.max(0, Math.round(graceMs)), 0xffffffff);
      to(id)?.control(FROM_HOST.shutdown, numberBytes(grace));
    },
    trustAuthority: (id, authority) =>
      to(id)?.control(FROM_HOST.trust, recordBytes(authorityRecords(authority))),
    identify: (id, identity, refresh) =>
      to(id)?.control(FROM_HOST.identify, recordBytes(identityRecords(id, identity, refresh))),
    setClock: (id, epochMs) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(Math.round(epochMs)));
      return to(id)?.control(FROM_HOST.clock, bytes) ?? false;
    },
    reseed: (id, entropy) => to(id)?.control(FROM_HOST.reseed, entropy.subarray(0, 512)) ?? false,
  };
}

function reachable(link: GuestLink | undefined): Connection {
  if (link?.connection === undefined || link.state.state === 'silent')
    throw new HypemanError(
      'transient',
      'GuestUnreachable',
      'the guest does not answer (yet); try again in a moment',
    );
  if (link.state.state === 'exited')
    throw new HypemanError('transient', 'GuestUnreachable', 'the program of this instance has ended');
  if (link.state.state === 'started' && !link.state.agentReady)
    throw new HypemanError(
      'invalid',
      'AgentSkipped',
      'this instance runs without the agent (spec.skipGuestAgent)',
    );
  return link.connection;
}

/** A guest may hold its tongue for ever; its asker may not wait so long. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new HypemanError('transient', 'GuestUnreachable', 'the guest did not answer in time'));
  }, ANSWER_MS);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function pathBytes(path: string, mode?: number): Buffer {
  const bytes = recordBytes([
    ['p', path],
    ...(mode === undefined ? [] : [['m', String(mode & 0o7777)] as const]),
  ]);
  if (!path.startsWith('/') || path.includes('\0') || bytes.length > Math.min(FRAME_MAX, 4096))
    throw new HypemanError(
      'invalid',
      'PathInvalid',
      'a path in the guest must be absolute and shorter than 4096 bytes',
    );
  return bytes;
}
