import { constants } from 'node:os';

/** glibc's, and thereby every shell's: the kernel's first two real-time signals are taken. */
const RTMIN = 34;
const RTMAX = 64;

/**
 * The number of a stop signal as images spell it (`SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`); undefined
 * for what is no signal. OCI image-spec, config.md, StopSignal.
 */
export function signalNumber(text: string): number | undefined {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  if (/^\d{1,2}$/.test(name)) return inRange(Number(name));
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime !== null) {
    const offset = Number(realTime[3] ?? 0) * (realTime[2] === '-' ? -1 : 1);
    return inRange((realTime[1] === 'MIN' ? RTMIN : RTMAX) + offset);
  }
  return Object.entries(constants.signals).find(([known]) => known === `SIG${name}`)?.[1];
}

function inRange(number: number): number | undefined {
  return number >= 1 && number <= RTMAX ? number : undefined;
}
