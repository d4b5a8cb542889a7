import { HypemanError } from '../errors.ts';
import type { ImageQuery } from './image-store.ts';
import { canonicalText, parseReference, placeOf } from './reference.ts';
import type { ImageReference } from './reference.ts';

/** The reference, or the `InvalidImageReference` that it is. */
export function parsed(query: ImageQuery): ImageReference | HypemanError {
  try {
    return parseReference(query.reference);
  } catch (error) {
    if (error instanceof HypemanError) return error;
    throw error;
  }
}

/** What a pull is known by: one name for all spellings of a reference. One that cannot be read is its own name. */
export function nameOf(query: ImageQuery): string {
  const reference = parsed(query);
  if (reference instanceof HypemanError) return query.reference;
  return query.digest === undefined ? canonicalText(reference) : `${placeOf(reference)}@${query.digest}`;
}
