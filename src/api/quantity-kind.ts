/** `size`: bytes. `diskRate`: bytes per second. `bandwidth`: bytes per second, which may be written in bits. */
export type QuantityKind = 'size' | 'diskRate' | 'bandwidth';

/** How each is written, to end a sentence that begins with "must be". */
export const HOW_TO_WRITE: Readonly<Record<QuantityKind, string>> = {
  size: 'a size such as 512MB, 2GB or 2Gi',
  diskRate: 'a rate in bytes per second such as 100MB/s',
  bandwidth: 'a rate such as 125MB/s (bytes) or 1Gbps (bits)',
};
