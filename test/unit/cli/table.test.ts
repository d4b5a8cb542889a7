import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, terminalFilter } from '../../../src/cli/printable.ts';
import { tableText, widthsOf } from '../../../src/cli/table.ts';

test('columns are as wide as their widest cell and three spaces apart, and no line ends in spaces', () => {
  const text = tableText([
    ['NAME', 'STATE', 'IP'],
    ['a-long-name', 'Running', '10.100.0.2'],
    ['b', '', ''],
  ]);
  expect(text).toBe(
    [
      'NAME          STATE     IP', //
      'a-long-name   Running   10.100.0.2',
      'b',
      '',
    ].join('\n'),
  );
});

test('later rows stay in line with earlier ones', () => {
  const widths = widthsOf([['NAME', 'STATE']]);
  expect(tableText([['b', 'Running']], widths)).toBe('b      Running\n');
});

test("a guest's words cannot leave their cell nor move the cursor", () => {
  const hostile = fc.string({
    unit: fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code)),
  });
  fc.assert(
    fc.property(hostile, (text) => {
      expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
  expect(tableText([['gone\u001b[2K\rRunning', 'x\ny']])).toBe('gone^[[2K^MRunning   x y\n');
});

test('a console keeps its colours and loses what would steer the terminal, wherever it is cut', () => {
  const console = 'ok \u001b[1;32mgreen\u001b[0m\r\n\u001b]0;title\u0007\u001b[2J\u0008end';
  const shown = 'ok \u001b[1;32mgreen\u001b[0m\r\n^[]0;title^G^[[2J^Hend';
  for (let size = 1; size <= console.length; size += 1) {
    const filter = terminalFilter();
    let text = '';
    for (let at = 0; at < console.length; at += size) text += filter(console.slice(at, at + size));
    expect(text).toBe(shown);
  }
});
