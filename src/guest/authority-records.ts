import type { Authority } from '../machine/egress.ts';
import { subjectHash } from './subject-hash.ts';

/** What init is told of a CA, at boot and later (authority.c reads it): c PEM, f fingerprint, k subject hash. */
export function authorityRecords({ certificate, fingerprint }: Authority): readonly [string, string][] {
  return [
    ['c', certificate],
    ['f', fingerprint],
    ['k', subjectHash(certificate)],
  ];
}
