import { describe, expect, test } from 'vitest';
import { openParser } from '../../../src/api/parser.ts';
import { describeProblems, documentsIn } from '../../../src/sources/documents.ts';
import { readCrd } from '../../../src/sources/crd.ts';
import { readDeclarations } from '../../../src/sources/reading.ts';
import { instanceYaml } from '../../support/declared-directory.ts';

const reader = { parser: openParser(await readCrd()), salt: 'salt' };

function values(text: string): unknown {
  const found = documentsIn(text);
  return found.is === 'good' ? found.documents.map(({ value }) => value) : found.problems;
}

describe('texts', () => {
  test('comments, empty documents, merge keys, tabs in JSON and a byte order mark are no problem', () => {
    expect(values('# nothing\n---\n---\n# more\n')).toEqual([]);
    expect(values('')).toEqual([]);
    expect(values('x: &x {p: 1}\ny:\n  <<: *x\n  q: 2\n')).toEqual([{ x: { p: 1 }, y: { p: 1, q: 2 } }]);
    expect(values('{\n\t"a":\t[1]\n}')).toEqual([{ a: [1] }]);
    expect(values('\ufeffa: 1\n')).toEqual([{ a: 1 }]);
  });

  test('a key named __proto__ is a key like any other', () => {
    const [value] = values('__proto__: { admin: true }\n') as [Record<string, unknown>];
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(value.admin).toBeUndefined();
  });

  test.each([
    ['a key twice', 'a: 1\na: 2\n', { line: 2, column: 1 }],
    ['an open quote', 'a: "x\n', { line: 2, column: 1 }],
    ['a tab', 'a:\n\tb: 1\n', { line: 2, column: 1 }],
    ['an unknown alias', 'a: *x\n', { line: 1, column: 1 }],
    ['an unknown tag', 'a: !!js/function x\n', { line: 1, column: 4 }],
    ['two values', 'a: b: c\n', { line: 1, column: 4 }],
  ])('%s is told with its place and how to mend it', (_what, text, place) => {
    expect(values(text)).toMatchObject([{ ...place, message: expect.stringMatching(/.{20}/) as string }]);
  });

  test('a billion laughs is refused at once', () => {
    const laughs = ['a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]'];
    for (let level = 1; level < 10; level += 1)
      laughs.push(
        `a${level}: &a${level} [${Array(9)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      );
    expect(values(laughs.join('\n'))).toMatchObject([
      { message: expect.stringContaining('repeated too often') as string },
    ]);
  });

  test('no message quotes the text, which may hold a secret', () => {
    for (const text of [
      'TOKEN: hunter2: x',
      'TOKEN: "hunter2',
      'TOKEN: hunter2\n}',
      'TOKEN: *hunter2',
      'a: {TOKEN: hunter2',
    ])
      expect(JSON.stringify(values(text))).not.toContain('hunter2');
  });

  test('problems lead to the key they are about, in lists and through aliases too', () => {
    const found = documentsIn(
      'base: &base\n  vcpus: 2\nspec:\n  list:\n    - one\n    - two\n  more: *base\n',
    );
    if (found.is === 'bad') throw new Error('refused');
    const [document] = found.documents;
    const at = (...pointer: (string | number)[]): unknown => document?.locate(pointer);
    expect(at('spec', 'list', 1)).toEqual({ line: 6, column: 7 });
    expect(at('spec', 'more', 'vcpus')).toEqual({ line: 2, column: 3 });
    expect(at('spec', 'absent', 'deeper')).toEqual({ line: 3, column: 1 });
    expect(at()).toEqual({ line: 1, column: 1 });
  });

  test('an item of a List is located in the file, not in the item', () => {
    const text = `apiVersion: v1\nkind: List\nitems:\n  - kind: A\n  - kind: B\n    spec: { x: 1 }\n`;
    const found = documentsIn(text);
    if (found.is === 'bad') throw new Error('refused');
    const second = found.documents[1];
    if (second === undefined) throw new Error('one item is missing');
    expect(describeProblems('f.yaml', second, [{ pointer: ['spec', 'x'], message: 'is wrong' }])).toEqual([
      'f.yaml:6:13: spec.x: is wrong',
    ]);
  });
});

describe('declarations', () => {
  test('all problems of all documents are told at once, each with its line', () => {
    const text = `${instanceYaml('a', { vcpus: 'x', colour: 1 })}---\n${instanceYaml('B_')}---\napiVersion: hypeman.dev/v1alpha1\nkind: Widget\n`;
    const { claims, problems } = readDeclarations(text, 'f.yaml', reader);
    expect(claims.map(({ subject }) => subject)).toEqual(['Instance/default/a']);
    const [says] = claims.map((claim) => claim.says);
    expect(
      says?.is === 'bad'
        ? says.message
            .split('\n')
            .map((line) => line.slice(0, 24))
            .sort()
        : [],
    ).toEqual(['f.yaml:7:3: spec.vcpus: ', 'f.yaml:8:3: spec.colour:']);
    expect(problems.join('\n')).toMatch(/f\.yaml:13:3: metadata\.name: .*\nf\.yaml:\d+:1: kind: kind Widget/);
  });

  test('no name leads out of the state directory', () => {
    for (const name of ['../../etc/passwd', '..', 'a/b', '.hidden']) {
      const text = `apiVersion: hypeman.dev/v1alpha1\nkind: Instance\nmetadata: { name: "${name}" }\nspec: {}\n`;
      expect(readDeclarations(text, 'f.yaml', reader).claims).toEqual([]);
      expect(readDeclarations(text, 'f.yaml', reader).problems.length).toBeGreaterThan(0);
    }
  });

  test('the spec is kept without a value of env, and told from another by a keyed digest', () => {
    const digestOf = (value: string, salt: string): string => {
      const text = instanceYaml('a', { env: { TOKEN: value } });
      const [claim] = readDeclarations(text, 'f.yaml', { ...reader, salt }).claims;
      if (claim?.says.is !== 'instance') throw new Error('refused');
      expect(JSON.stringify(claim)).not.toContain(value);
      return claim.says.digest;
    };
    expect(digestOf('eins', 's')).toBe(digestOf('eins', 's'));
    expect(digestOf('eins', 's')).not.toBe(digestOf('zwei', 's'));
    expect(digestOf('eins', 's')).not.toBe(digestOf('eins', 't'));
  });
});
