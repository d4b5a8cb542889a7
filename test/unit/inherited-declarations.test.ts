import { describe, expect, test } from 'vitest';
import type { Credential, Instance, InstanceSpec } from '../../src/api/instance.ts';
import { keyOf } from '../../src/machine/ids.ts';
import { aFork, secrets } from '../support/forks.ts';
import { InheritanceStage } from '../support/inheritance-stage.ts';
import { anInstance } from '../support/worlds.ts';

const BASE = keyOf('default', 'base');
const COPY = keyOf('default', 'copy');
const CREDENTIAL: Credential = {
  sourceEnv: 'TOKEN',
  inject: [{ hosts: ['api.example.com'], header: 'Authorization', format: '${value}', when: 'always' }],
};
const MEDIATED: Partial<InstanceSpec> = {
  network: { enabled: true, egress: { enabled: true, mode: 'all' } },
  credentials: { TOKEN: CREDENTIAL },
};

function base(values: Readonly<Record<string, string>>, spec: Partial<InstanceSpec> = MEDIATED): Instance {
  return { ...anInstance({ env: secrets(values), ...spec }), name: 'base' };
}

describe('a fork that was not made yet', () => {
  test('is declared as its source is now', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real', PORT: '80' }, { ...MEDIATED, vcpus: 8 }));
    stage.source.declare(aFork('copy', 'base', { env: secrets({ MINE: 'yes' }) }));
    expect(stage.spec(COPY)).toMatchObject({ vcpus: 8, withheld: ['TOKEN'] });
    expect(stage.spec(COPY).silent).toBeUndefined();
    expect(await stage.guestOf(COPY)).toEqual({ PORT: '80', MINE: 'yes', TOKEN: 'mock-TOKEN' });
    stage.source.declare(base({}, { vcpus: 4 }));
    expect(stage.spec(COPY).vcpus).toBe(4);
  });

  test('has its own words alone while its source has none, and says that it is silent', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(aFork('copy', 'base', { vcpus: 3 }));
    expect(stage.spec(COPY)).toMatchObject({ vcpus: 3 });
    expect(stage.spec(COPY).silent).toContain('image');
    expect(await stage.inherited.inheritanceFrom(BASE, 'Running')).toMatchObject({ is: 'missing' });
    expect(await stage.inherited.inheritanceFrom(COPY, 'Running')).toMatchObject({ is: 'missing' });
  });

  test('is of whom it names by now, and has nothing of whom it asked before', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ PORT: '80' }, { vcpus: 8 }));
    stage.source.declare({ ...base({}, { vcpus: 4 }), name: 'other' });
    stage.source.declare(aFork('copy', 'base'));
    await stage.fork('copy', 'base');
    stage.record('copy', 'base', { askedAt: 1 });
    expect(stage.spec(COPY).vcpus).toBe(8);
    stage.source.declare(aFork('copy', 'other'));
    expect(stage.spec(COPY).vcpus).toBe(4);
    expect(await stage.guestOf(COPY)).toEqual({});
  });

  test('waits for an environment that its source cannot have', async () => {
    const stage = new InheritanceStage();
    stage.source.withholdEnvironment(stage.source.declare(base({})), 'there is no Secret app');
    stage.source.declare(aFork('copy', 'base'));
    expect(await stage.inherited.source.environmentOf(COPY)).toMatchObject({
      is: 'missing',
      reason: 'SecretNotFound',
      message: expect.stringContaining('there is no Secret app') as string,
    });
  });

  test('is held when it cannot be what it and its source say', () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real' }));
    stage.source.declare(
      aFork('copy', 'base', {
        spoken: ['network.enabled'],
        network: { enabled: false, egress: { enabled: false, mode: 'all' } },
      }),
    );
    expect(stage.refusal(COPY)).toMatch(/^Invalid: .*default\/base.*\n.*network\.egress\.enabled requires/);
  });

  test('of a fork of itself is held, and nobody asks without end', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(aFork('base', 'copy'));
    stage.source.declare(aFork('copy', 'base'));
    stage.source.declare(aFork('third', 'copy'));
    expect(stage.refusal(BASE)).toMatch(
      /^Invalid: default\/base, a fork of default\/copy, a fork of that again/,
    );
    expect(stage.refusal(COPY)).toMatch(/^Invalid/);
    expect(stage.spec(keyOf('default', 'third')).silent).toBeDefined();
    await stage.inherited.source.environmentOf(keyOf('default', 'third'));
  });
});

describe('a fork that was made', () => {
  test('keeps what it was left, whatever becomes of its source', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real', PORT: '80' }, { ...MEDIATED, vcpus: 8 }));
    stage.source.declare(aFork('copy', 'base'));
    await stage.fork('copy', 'base');
    const before = stage.instance(COPY);
    stage.source.declare(base({ PORT: '81' }, { vcpus: 1 }));
    expect(stage.instance(COPY)).toBe(before);
    expect((await stage.guestOf(COPY)).PORT).toBe('80');
    stage.source.remove(BASE);
    expect(stage.instance(COPY)).toBe(before);
    expect(await stage.guestOf(COPY)).toEqual({ PORT: '80', TOKEN: 'mock-TOKEN' });
  });

  test('has the secret that its source has now, and none that is kept', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real' }));
    stage.source.declare(aFork('copy', 'base'));
    await stage.fork('copy', 'base');
    expect(await stage.grantsOf(COPY)).toEqual(['real']);
    stage.source.declare(base({ TOKEN: 'rotated' }));
    expect(await stage.grantsOf(COPY)).toEqual(['rotated']);
    expect(Object.keys(stage.kept.get(COPY)?.env ?? {})).toEqual([]);
  });

  test('says what it lacks when its source is gone, and takes its own instead', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real' }));
    stage.source.declare(aFork('copy', 'base'));
    await stage.fork('copy', 'base');
    stage.source.remove(BASE);
    expect(await stage.grantsOf(COPY)).toBe(
      "credential TOKEN: TOKEN was a secret of default/base, which is not declared here any more: give it a value in this Instance's env",
    );
    stage.source.declare(aFork('copy', 'base', { env: secrets({ TOKEN: 'mine' }) }));
    expect(await stage.grantsOf(COPY)).toEqual(['mine']);
    expect(await stage.guestOf(COPY)).toEqual({ TOKEN: 'mock-TOKEN' });
  });

  test('has a secret of its own before that of its source', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real' }));
    stage.source.declare(aFork('copy', 'base', { env: secrets({ TOKEN: 'mine' }) }));
    await stage.fork('copy', 'base');
    expect(await stage.grantsOf(COPY)).toEqual(['mine']);
  });

  test('with None has no credential of its source, and its secret under no name', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real', PORT: '80' }));
    stage.source.declare(aFork('copy', 'base', {}, 'None'));
    await stage.fork('copy', 'base');
    expect(await stage.guestOf(COPY)).toEqual({ PORT: '80' });
    const own = { credentials: { MINE: { ...CREDENTIAL, sourceEnv: 'TOKEN' } } };
    stage.source.declare(aFork('copy', 'base', own, 'None'));
    expect(await stage.grantsOf(COPY)).toMatch(/TOKEN is missing or blank/);
  });

  test('is held when what it was left is lost, and not started with half of it', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real' }));
    stage.source.declare(aFork('copy', 'base'));
    await stage.fork('copy', 'base');
    stage.kept.clear();
    expect(stage.refusal(COPY)).toMatch(/^SourceLost: .*inherited\.json/);
  });

  test('does not leave what it was left to another of its name', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real' }, { ...MEDIATED, vcpus: 8 }));
    stage.source.declare(aFork('copy', 'base'));
    await stage.fork('copy', 'base');
    stage.source.remove(BASE);
    stage.source.declare(aFork('copy', 'other'), { uid: 'another' });
    expect(stage.spec(COPY).silent).toBeDefined();
  });
});

test('a secret may have any name', async () => {
  const stage = new InheritanceStage();
  for (const name of ['__proto__', 'constructor']) {
    const values = Object.fromEntries([[name, 'real']]);
    stage.source.declare(
      base(values, { ...MEDIATED, credentials: { KEY: { ...CREDENTIAL, sourceEnv: name } } }),
    );
    stage.source.declare(aFork('copy', 'base'));
    await stage.fork('copy', 'base');
    expect(await stage.grantsOf(COPY)).toEqual(['real']);
    stage.source.remove(BASE);
    expect(await stage.grantsOf(COPY)).toContain(`${name} was a secret of default/base`);
  }
});

describe('a fork of a fork', () => {
  const LEAF = keyOf('default', 'leaf');

  function threeGenerations(): InheritanceStage {
    const stage = new InheritanceStage();
    stage.source.declare(base({ TOKEN: 'real', PORT: '80' }, { ...MEDIATED, vcpus: 8 }));
    stage.source.declare(aFork('copy', 'base', { memoryBytes: 2 ** 31, env: secrets({ MIDDLE: 'yes' }) }));
    stage.source.declare(aFork('leaf', 'copy', { env: secrets({ PORT: '90' }) }));
    return stage;
  }

  test('has the words of all above it, made or not', async () => {
    const stage = threeGenerations();
    const expected = { vcpus: 8, memoryBytes: 2 ** 31, withheld: ['TOKEN'] };
    expect(stage.spec(LEAF)).toMatchObject(expected);
    await stage.fork('copy', 'base');
    await stage.fork('leaf', 'copy');
    expect(stage.spec(LEAF)).toMatchObject(expected);
    expect(await stage.guestOf(LEAF)).toEqual({ PORT: '90', MIDDLE: 'yes', TOKEN: 'mock-TOKEN' });
    expect(await stage.grantsOf(LEAF)).toEqual(['real']);
  });

  test('outlives the one in the middle, but for its secrets', async () => {
    const stage = threeGenerations();
    await stage.fork('copy', 'base');
    await stage.fork('leaf', 'copy');
    stage.source.remove(COPY);
    expect(await stage.guestOf(LEAF)).toMatchObject({ MIDDLE: 'yes' });
    expect(await stage.grantsOf(LEAF)).toMatch(/TOKEN was a secret of default\/copy/);
  });

  test('that its first source was forked from, later and under an old name, is asked once', async () => {
    const stage = threeGenerations();
    await stage.fork('copy', 'base');
    await stage.fork('leaf', 'copy');
    stage.source.declare(aFork('base', 'leaf'));
    await stage.fork('base', 'leaf');
    expect(await stage.grantsOf(LEAF)).toMatch(/TOKEN was a secret of/);
  });
});

describe('an edit', () => {
  test('of a source wakes its forks and theirs, once each, recorded or not', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({}));
    stage.source.declare(aFork('copy', 'base'));
    stage.source.declare(aFork('leaf', 'copy'));
    stage.source.declare({ ...base({}), name: 'other' });
    stage.record('copy', 'base');
    const woken = await stage.woken(() => stage.source.declare(base({ PORT: '1' })));
    expect(woken).toEqual(['default/base', 'default/copy', 'default/leaf']);
  });

  test('of a fork wakes neither its source nor its brothers', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(base({}));
    stage.source.declare(aFork('copy', 'base'));
    stage.source.declare(aFork('brother', 'base'));
    expect(await stage.woken(() => stage.source.declare(aFork('copy', 'base', { vcpus: 1 })))).toEqual([
      COPY,
    ]);
  });

  test('that breaks a circle wakes who was in it', async () => {
    const stage = new InheritanceStage();
    stage.source.declare(aFork('base', 'copy'));
    stage.source.declare(aFork('copy', 'base'));
    const woken = await stage.woken(() => stage.source.declare(base({})));
    expect(woken).toEqual([BASE, COPY]);
    expect(stage.spec(COPY).silent).toBeUndefined();
  });
});

test('what is kept is of one moment: a variable that becomes a secret meanwhile is not kept as a plain one', async () => {
  const stage = new InheritanceStage();
  stage.source.declare(base({ TOKEN: 'not-secret-yet' }, {}));
  const asked = stage.inherited.inheritanceFrom(BASE, 'Running');
  stage.source.declare(base({ TOKEN: 'real' }));
  expect(await asked).toMatchObject({ is: 'missing', reason: 'SourceNotReady' });
});

test('who was replaced under its name leaves nothing to who asked for it', async () => {
  const stage = new InheritanceStage();
  stage.source.declare(base({ PORT: '80' }, {}));
  const leftBy = (uid: string): Promise<object> => stage.inherited.inheritanceFrom(BASE, 'Running', uid);
  expect(await leftBy('uid-of-base')).toMatchObject({ is: 'ready' });
  expect(await leftBy('another')).toMatchObject({ is: 'missing', reason: 'SourceNotReady' });
});
