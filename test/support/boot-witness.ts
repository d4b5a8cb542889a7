import { once } from 'node:events';
import { createServer } from 'node:http';

/** Hears from guests, by name, which boot of theirs goes on, and whether their network lets them say so. */
export type BootWitness = {
  /** A program for `sh -c`, in a guest with busybox. Asked to end, it says so. */
  program(guest: string): string;
  /** How often it was told of a boot, and of which ones. */
  count(guest: string): number;
  boots(guest: string): readonly string[];
  /** What its program had counted up to, in its memory alone, each time that it was heard. */
  turns(guest: string): readonly number[];
  /** How often a program ended as it was asked to. */
  goodbyes(guest: string): number;
  close(): Promise<void>;
};

const GOODBYE = 'goodbye';

/** On port 80: plain HTTP leads nowhere else through the proxy. */
export async function openBootWitness(address: string): Promise<BootWitness> {
  const heard: { readonly guest: string; readonly word: string }[] = [];
  const server = createServer((request, response) => {
    const [, guest = '', word = ''] = (request.url ?? '').split('/');
    heard.push({ guest, word });
    response.end('heard\n');
  });
  server.listen(80, address);
  await once(server, 'listening');
  const wordsOf = (guest: string): readonly string[] =>
    heard.filter((one) => one.guest === guest).map(({ word }) => word);
  const turnsIn = (guest: string): readonly string[] => wordsOf(guest).filter((word) => word !== GOODBYE);
  return {
    program: (guest) =>
      [
        `tell() { wget -q -O /dev/null "http://${address}/${guest}/$1"; }`,
        `trap 'tell ${GOODBYE}; exit 0' TERM`,
        'turn=0; echo ticking',
        'while :; do turn=$((turn+1)); tell "$(cat /proc/sys/kernel/random/boot_id).$turn"; sleep 1; done',
      ].join('; '),
    count: (guest) => turnsIn(guest).length,
    boots: (guest) => [...new Set(turnsIn(guest).map((word) => word.replace(/\..*/, '')))],
    turns: (guest) => turnsIn(guest).map((word) => Number(word.replace(/.*\./, ''))),
    goodbyes: (guest) => wordsOf(guest).length - turnsIn(guest).length,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
