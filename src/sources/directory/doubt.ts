import type { FileVersion } from './observe-file.ts';

/**
 * Whether a text may be one that somebody is still writing: cut off before its last line break, or made
 * shorter in place. A file that was renamed over the old one is whole, and half of a JSON text never parses.
 * Nothing can tell a whole file from one that was cut exactly between two lines and grows afterwards.
 */
export function mayBeHalfWritten(
  text: string,
  version: FileVersion,
  before: FileVersion | undefined,
): boolean {
  if (isWholeJson(text)) return false;
  if (!text.endsWith('\n')) return true;
  return before?.inode === version.inode && version.bytes < before.bytes;
}

function isWholeJson(text: string): boolean {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) return false;
  try {
    JSON.parse(trimmed);
    return true;
  } catch {
    return false;
  }
}
