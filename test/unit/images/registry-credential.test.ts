import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { HypemanError } from '../../../src/errors.ts';
import { parseReference } from '../../../src/images/reference.ts';
import { credentialFor } from '../../../src/images/registry-credential.ts';
import { Secret } from '../../../src/secrets/secret.ts';

function config(auths: unknown): Secret {
  return new Secret(JSON.stringify({ auths }));
}

/** What would be shown for a reference: `host auth`, or nothing. */
function shown(reference: string, ...configs: readonly Secret[]): string {
  const found = credentialFor(parseReference(reference), configs);
  if (found === undefined) return 'nothing';
  const { auths } = JSON.parse(found.authFile.reveal()) as { auths: Record<string, { auth?: string }> };
  return Object.entries(auths)
    .map(([host, { auth = 'none' }]) => `${host} ${auth}`)
    .join();
}

describe('the credential for a registry', () => {
  test('is that of its host, and of no other', () => {
    const both = config({ 'r.example': { auth: 'YTpi' }, 'other.example': { auth: 'Yzpk' } });
    expect(shown('r.example/team/app:v1', both)).toBe('r.example YTpi');
    expect(shown('r.example:5000/team/app', both)).toBe('nothing');
    expect(shown('sub.r.example/team/app', both)).toBe('nothing');
    expect(shown('oci:/srv/app', both)).toBe('nothing');
  });

  test.each([
    ['https://index.docker.io/v1/', 'nginx', 'docker.io'],
    ['docker.io', 'nginx', 'docker.io'],
    ['https://r.example/v2/', 'r.example/app', 'r.example'],
    ['http://r.example:5000', 'r.example:5000/app', 'r.example:5000'],
    ['*.r.example', 'eu.r.example/app', 'eu.r.example'],
    ['*-e*t*.R.example', 'my-east-1.r.example/app', 'my-east-1.r.example'],
    ['r*.example:5*', 'r.example:5000/app', 'r.example:5000'],
    ['r.example/team', 'r.example/team/app', 'r.example'],
  ])('%s is for %s', (key, reference, host) => {
    expect(shown(reference, config({ [key]: { auth: 'YTpi' } }))).toBe(`${host} YTpi`);
  });

  test.each([
    ['*.r.example', 'r.example/app'],
    ['*.r.example', 'a.b.r.example/app'],
    ['r*', 'r.example/app'],
    ['r.example*', 'r.example:5000/app'],
    ['ab*ba.example', 'aba.example/app'],
    ['r.example/team', 'r.example/teams/app'],
    ['r.example/team/app', 'r.example/team'],
    ['rxexample', 'r.example/app'],
    ['', 'r.example/app'],
  ])('%s is not for %s', (key, reference) => {
    expect(shown(reference, config({ [key]: { auth: 'YTpi' } }))).toBe('nothing');
  });

  test('a host with many stars in a Secret holds nobody up', () => {
    const stars = config({ [`${'*a'.repeat(8)}*b.example`]: { auth: 'YTpi' } });
    const before = performance.now();
    expect(shown(`${'a'.repeat(40)}.example/app`, stars)).toBe('nothing');
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  test('the longest path wins within one Secret, the first Secret among several', () => {
    const paths = config({ 'r.example': { auth: 'host' }, 'r.example/team': { auth: 'team' } });
    expect(shown('r.example/team/app', paths)).toBe('r.example team');
    expect(shown('r.example/app', paths)).toBe('r.example host');
    const later = config({ 'r.example/team/app': { auth: 'later' } });
    expect(shown('r.example/team/app', paths, later)).toBe('r.example team');
    expect(shown('r.example/app', config({}), paths)).toBe('r.example host');
  });

  test('username and password make an auth, and the older .dockercfg is understood', () => {
    const auth = Buffer.from('me:pä ss').toString('base64');
    expect(shown('r.example/app', config({ 'r.example': { username: 'me', password: 'pä ss' } }))).toBe(
      `r.example ${auth}`,
    );
    expect(shown('r.example/app', new Secret('{"r.example":{"auth":"YTpi","email":"x"}}'))).toBe(
      'r.example YTpi',
    );
  });

  test('two credentials differ by their id, equal ones do not, and neither is in it', () => {
    const id = (auth: string): string | undefined =>
      credentialFor(parseReference('r.example/app'), [config({ 'r.example': { auth } })])?.id;
    expect(id('YTpi')).toBe(id('YTpi'));
    expect(id('YTpi')).not.toBe(id('Yzpk'));
    expect(id('YTpi')).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each(['hunter2 {"auths"', '"hunter2"', '{"auths":["hunter2"]}', '{"auths":{"r.example":"hunter2"}}'])(
    'what cannot be read is said without a word of it',
    (text) => {
      const attempt = (): unknown => credentialFor(parseReference('r.example/app'), [new Secret(text)]);
      expect(attempt).toThrow(HypemanError);
      try {
        attempt();
      } catch (error) {
        expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
        expect(error).toMatchObject({ fate: 'transient', reason: 'PullSecretUnreadable' });
      }
    },
  );
});
