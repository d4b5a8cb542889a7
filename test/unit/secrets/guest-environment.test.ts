import { describe, expect, test } from 'vitest';
import { guestEnvironment } from '../../../src/secrets/guest-environment.ts';
import { Secret } from '../../../src/secrets/secret.ts';

const DECLARED = { REAL_KEY: new Secret('s3cret'), PORT: new Secret('80'), OPENAI_API_KEY: new Secret('x') };

function shown(withheld: readonly string[], placeholders: Readonly<Record<string, string>>): object {
  const guest = guestEnvironment(DECLARED, { withheld, placeholders });
  return Object.fromEntries(Object.entries(guest).map(([name, value]) => [name, value.reveal()]));
}

describe('what a guest gets of the declared environment', () => {
  test('without credentials it is the declared one', () => {
    expect(shown([], {})).toEqual({ REAL_KEY: 's3cret', PORT: '80', OPENAI_API_KEY: 'x' });
  });

  test('the variable that holds the real value is not there under any name', () => {
    const guest = shown(['REAL_KEY'], { TOKEN: 'mock-TOKEN' });
    expect(guest).toEqual({ PORT: '80', OPENAI_API_KEY: 'x', TOKEN: 'mock-TOKEN' });
    expect(JSON.stringify(guest)).not.toContain('s3cret');
  });

  test('a credential named like its own source shows the placeholder', () => {
    expect(shown(['OPENAI_API_KEY'], { OPENAI_API_KEY: 'mock-OPENAI_API_KEY' })).toMatchObject({
      OPENAI_API_KEY: 'mock-OPENAI_API_KEY',
    });
  });

  test('a placeholder wins over a plain variable of its name', () => {
    expect(shown(['REAL_KEY'], { PORT: 'mock-PORT' })).toEqual({ PORT: 'mock-PORT', OPENAI_API_KEY: 'x' });
  });
});
