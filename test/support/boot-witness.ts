import { once } from 'node:events';
import { createServer } from 'node:http';

/** Hears from guests which boot of theirs goes on, and whether their network lets them say so. */
export type BootWitness = {
  /** A program for `sh -c`, in a guest with busybox. */
  readonly program: string;
  /** How often it was told, and by which boots. */
  count(): number;
  boots(): readonly string[];
  close(): Promise<void>;
};

export async function openBootWitness(address: string): Promise<BootWitness> {
  const heard: string[] = [];
  const server = createServer((request, response) => {
    heard.push((request.url ?? '').slice(1));
    response.end('heard\n');
  });
  server.listen(0, address);
  await once(server, 'listening');
  const at = server.address();
  const port = typeof at === 'object' && at !== null ? at.port : 0;
  return {
    program: `echo ticking; while :; do wget -q -O /dev/null "http://${address}:${port}/$(cat /proc/sys/kernel/random/boot_id)"; sleep 1; done`,
    count: () => heard.length,
    boots: () => [...new Set(heard)],
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
