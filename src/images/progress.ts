const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `downloading 12.3 MB of 45.6 MB (26 %)`. Decimal units, as registries show sizes. */
export function progressText(bytes: number, totalBytes: number): string {
  if (totalBytes <= 0) return 'downloading';
  // The layout also holds the manifest and the configuration: never show more than everything.
  const shown = Math.min(bytes, totalBytes);
  return `downloading ${sizeText(shown)} of ${sizeText(totalBytes)} (${Math.floor((100 * shown) / totalBytes)} %)`;
}

export function sizeText(bytes: number): string {
  let rest = bytes;
  let unit = 0;
  while (rest >= 1000 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? rest : rest.toFixed(1)} ${UNITS[unit] ?? ''}`;
}
