import { expect, test } from 'vitest';
import { ageText, parseDuration, parseWhole } from '../../../src/cli/durations.ts';
import { parseJsonPath } from '../../../src/cli/json-path.ts';
import { parseListen, parseNameServer, parseSubnet } from '../../../src/cli/listen-address.ts';
import { parseSelector } from '../../../src/cli/selectors.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [-5, '0s'],
  [0, '0s'],
  [119_999, '119s'],
  [2 * MINUTE, '2m'],
  [3 * MINUTE + 20_000, '3m20s'],
  [10 * MINUTE + 5000, '10m'],
  [3 * HOUR, '3h'],
  [5 * HOUR + 2 * MINUTE, '5h2m'],
  [30 * HOUR, '30h'],
  [3 * DAY + 4 * HOUR, '3d4h'],
  [100 * DAY, '100d'],
  [800 * DAY, '2y70d'],
])('an age of %i ms reads %s, as in kubectl', (ms, text) => {
  expect(ageText(ms)).toBe(text);
});

test.each([
  ['0', 0],
  ['30', 30_000],
  ['1.5', 1500],
  ['250ms', 250],
  ['1m30s', 90_000],
  ['2h', 7_200_000],
])('the duration %s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '-1', '5x', 's', '1 m'])('%j is no duration', (text) => {
  expect(() => parseDuration(text)).toThrow('30s');
});

test.each(['0', '-1', '1.5', 'x', ''])('%j is no whole number from 1 up', (text) => {
  expect(() => parseWhole(1)(text)).toThrow('from 1 up');
});

const LABELS = { app: 'web', tier: 'front', old: '' };

test.each([
  ['app=web', true],
  ['app==web', true],
  ['app = db', false],
  ['app!=db', true],
  ['zone!=eu', true],
  ['app in (web,db)', true],
  ['app notin (web, db),tier', false],
  ['zone notin (eu)', true],
  ['old,!new', true],
  ['!app', false],
  ['app=web,tier=back', false],
  ['', true],
])('the selector %j holds: %s', (selector, holds) => {
  expect(parseSelector(selector)(LABELS)).toBe(holds);
});

test.each(['app=web=x', 'app in web', '=x', 'a b'])('the selector %j is refused by its words', (selector) => {
  expect(() => parseSelector(selector)).toThrow(selector);
});

const VALUE = {
  status: {
    state: 'Running',
    list: [
      { type: 'Ready', status: 'True' },
      { type: 'X', status: 'no' },
    ],
  },
  'a.b': 1,
};

test.each([
  ['{.status.state}', 'Running'],
  ['.status.state', 'Running'],
  ['status.state', 'Running'],
  ['{.status.list[1].type}', 'X'],
  ['{.status.list[?(@.type=="Ready")].status}', 'True'],
  ["{['a.b']}", 1],
  ['{.status.list[7].type}', undefined],
  ['{.status.state.deeper}', undefined],
  ['{.constructor}', undefined],
])('the path %s leads to %j', (path, found) => {
  expect(parseJsonPath(path)(VALUE)).toBe(found);
});

test.each(['{.a[}', '{..x}', '{.a b}'])('the path %s is refused', (path) => {
  expect(() => parseJsonPath(path)).toThrow('cannot be read');
});

test.each([
  ['127.0.0.1:9464', { address: '127.0.0.1', port: 9464 }],
  [':80', { address: '127.0.0.1', port: 80 }],
  ['[::1]:0', { address: '::1', port: 0 }],
  ['off', 'off'],
])('--listen %s', (text, listen) => {
  expect(parseListen(text)).toEqual(listen);
});

test.each(['9464', 'localhost:1', '1.2.3.4:70000', '::1:80', '1.2.3.4'])('--listen %s is refused', (text) => {
  expect(() => parseListen(text)).toThrow('ADDRESS:PORT');
});

test('a subnet is the first address of an IPv4 network with room for guests', () => {
  expect(parseSubnet('10.100.0.0/16')).toBe('10.100.0.0/16');
  for (const bad of ['10.100.0.1/16', '10.0.0.0', '10.0.0.0/31', 'fd00::/8', '10.0.0.0/7'])
    expect(() => parseSubnet(bad), bad).toThrow();
});

test('name servers add up', () => {
  expect(parseNameServer('9.9.9.9', parseNameServer('1.1.1.1'))).toEqual(['1.1.1.1', '9.9.9.9']);
  expect(() => parseNameServer('dns.example')).toThrow('IPv4');
});
