import { eventually } from './controller-process.ts';
import type { EgressHouse } from './egress-house.ts';
import { valuesOf } from './egress-upstream.ts';
import { CLIENTS } from './egress-vm-image.ts';
import type { RequestSeen } from './egress-vm-internet.ts';

/** A program in the guest that sends a request every 50 ms, on one connection as long as that stands. */
export type Ticker = {
  start(): Promise<void>;
  /** Those that arrived, in order. */
  ticks(): readonly RequestSeen[];
  /** The last of those that come after now. */
  next(withinMs?: number): Promise<RequestSeen>;
  /** Waits until the newest carries this value in this header. */
  until(header: string, value: string, withinMs?: number): Promise<void>;
};

export function openTicker(egress: EgressHouse, name: string): Ticker {
  const ticks = (): readonly RequestSeen[] => egress.internet.requests('case=tick');
  const next: Ticker['next'] = async (withinMs = 10_000) => {
    const before = ticks().length;
    await eventually(
      'another tick',
      () => Promise.resolve(ticks().length),
      (count) => count > before,
      withinMs,
    );
    return ticks().at(-1) ?? Promise.reject(new Error('no tick'));
  };
  return {
    ticks,
    next,
    start: async () => {
      const tick = `python3 ${CLIENTS}/clients.py tick 'https://api.test/tick?case=tick'`;
      await egress.inGuest(name, `rm -f /tmp/stop; nohup ${tick} </dev/null >/tmp/tick.log 2>&1 &`);
      await next(30_000);
    },
    until: async (header, value, withinMs = 10_000) => {
      await eventually(
        `${header} ${value}`,
        () => Promise.resolve(valueIn(ticks().at(-1), header)),
        (seen) => seen === value,
        withinMs,
      );
    },
  };
}

export function valueIn(request: RequestSeen | undefined, header: string): string | undefined {
  return valuesOf(request?.rawHeaders ?? [], header)[0]?.replace(/^key /, '');
}

/** As the guest counts its own connections. */
export function connectionOf(request: RequestSeen | undefined): string | undefined {
  return /conn=(\d+)/.exec(request?.url ?? '')?.[1];
}
