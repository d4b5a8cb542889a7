import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { HypemanError } from '../../../src/errors.ts';
import { canonicalText, parseReference, placeOf } from '../../../src/images/reference.ts';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('an image reference', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx:1.27'],
    ['team/app', 'docker.io/team/app:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/library/nginx', 'docker.io/library/nginx:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['registry.example.com/a/b/c_d__e--f:V.1', 'registry.example.com/a/b/c_d__e--f:V.1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['Registry/app', 'Registry/app:latest'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    [`nginx:1.27@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    ['oci:/srv/images', 'oci:/srv/images'],
    ['oci:/srv//images/:v1', 'oci:/srv/images:v1'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalText(parseReference(text))).toBe(canonical);
  });

  test.each([
    ['', 'is not a part of an image name'],
    ['Nginx', '"Nginx" is not a part of an image name'],
    ['nginx:', '"" is not a tag'],
    ['nginx:a b', '"a b" is not a tag'],
    ['nginx@sha256:abc', '64 digits'],
    [`nginx@${DIGEST}@${DIGEST}`, 'more than one @'],
    ['docker://nginx', 'leave out the scheme'],
    ['https://registry.example.com/app', 'leave out the scheme'],
    ['a//b', '"" is not a part'],
    ['/nginx', '"" is not a'],
    ['-flag', '"-flag" is not a part'],
    ['ex ample.com/app', 'is not a'],
    [`registry.example.com/${'a'.repeat(250)}`, 'longer than 255'],
    ['oci:', 'absolute path'],
    ['oci:relative:v1', 'absolute path'],
    ['oci:/srv/../etc', '..'],
    ['oci:/srv:a:b', '"a:b" is not a tag'],
  ])('%j is refused and says why', (text, why) => {
    expect(refusalOf(text)).toMatchObject({
      fate: 'invalid',
      reason: 'InvalidImageReference',
      message: expect.stringContaining(why) as string,
    });
  });

  test('in its canonical form parses back to itself', () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,8}(?:[._-][a-z0-9]{1,4})?$/);
    const domain = fc.constantFrom('', 'localhost/', 'r.example.com/', 'r.example.com:5000/');
    const ending = fc.constantFrom('', ':v1', `@${DIGEST}`, `:v1@${DIGEST}`);
    fc.assert(
      fc.property(domain, fc.array(name, { minLength: 1, maxLength: 3 }), ending, (host, path, end) => {
        const parsed = parseReference(`${host}${path.join('/')}${end}`);
        const canonical = parseReference(canonicalText(parsed));
        expect(canonicalText(canonical)).toBe(canonicalText(parsed));
        expect(placeOf(canonical)).toBe(placeOf(parsed));
      }),
    );
  });

  test('whatever it is, is either read or refused as invalid', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const refusal = refusalOf(text);
        expect(refusal?.fate ?? 'invalid').toBe('invalid');
      }),
    );
  });

  test('never becomes an option of a program', () => {
    expect(refusalOf('--authfile=/etc/shadow')).toBeDefined();
  });
});

function refusalOf(text: string): HypemanError | undefined {
  try {
    parseReference(text);
    return undefined;
  } catch (error) {
    if (error instanceof HypemanError) return error;
    throw error;
  }
}
