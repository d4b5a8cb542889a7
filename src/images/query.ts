import { HypemanError } from '../errors.ts';
import type { ImageQuery } from './image-store.ts';
import { canonicalText, parseReference, placeOf } from './reference.ts';
import type { ImageReference } from './reference.ts';
import { credentialFor } from './registry-credential.ts';
import type { RegistryCredential } from './registry-credential.ts';

/** The reference, or the `InvalidImageReference` that it is. */
export function parsed(query: ImageQuery): ImageReference | HypemanError {
  try {
    return parseReference(query.reference);
  } catch (error) {
    if (error instanceof HypemanError) return error;
    throw error;
  }
}

/** The digest that the reference itself names. */
export function digestIn(query: ImageQuery): string | undefined {
  const reference = parsed(query);
  return reference instanceof HypemanError || reference.from === 'layout' ? undefined : reference.digest;
}

/** What is shown to the registry in place of the host's own credentials, or why that cannot be read. */
export function credentialIn(query: ImageQuery): RegistryCredential | HypemanError | undefined {
  const reference = parsed(query);
  if (reference instanceof HypemanError || query.credentials === undefined) return undefined;
  try {
    return credentialFor(reference, query.credentials);
  } catch (error) {
    if (error instanceof HypemanError) return error;
    throw error;
  }
}

/**
 * What a pull is known by: one name for all spellings of a reference, asked with one credential. What cannot be
 * read is its own name.
 */
export function nameOf(query: ImageQuery, credential?: RegistryCredential): string {
  const reference = parsed(query);
  if (reference instanceof HypemanError) return query.reference;
  const name =
    query.digest === undefined ? canonicalText(reference) : `${placeOf(reference)}@${query.digest}`;
  return credential === undefined ? name : `${name} with ${credential.id}`;
}
