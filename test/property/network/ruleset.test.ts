import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listedRuleset } from '../../../src/network/listed-ruleset.ts';
import { macFor, ipv4Text } from '../../../src/network/ipv4.ts';
import { elementsOf, guestOfElements, isAllOf } from '../../../src/network/guest-elements.ts';
import type { Element, Guest } from '../../../src/network/guest-elements.ts';
import { admission, dismissal, wholeRuleset } from '../../../src/network/ruleset.ts';
import type { Mediation } from '../../../src/machine/egress.ts';

const POLICY = { tag: 'ab12', subnet: '10.100.0.0/16', gateway: '10.100.0.1', resolvers: ['9.9.9.9'] };

const anyPort = fc.integer({ min: 1, max: 65_535 });
const anyMediation: fc.Arbitrary<Mediation> = fc.record(
  {
    mode: fc.constantFrom('all' as const, 'http_https_only' as const, 'offered' as const),
    ports: fc.record({ explicit: anyPort, tls: anyPort, http: anyPort, dns: anyPort }),
  },
  { requiredKeys: ['mode'] },
);
const anyGuest: fc.Arbitrary<Guest> = fc
  .tuple(fc.integer({ min: 2, max: 65_534 }), fc.option(anyMediation, { nil: undefined }))
  .map(([offset, mediation]) => ({
    tap: `hm-ab12${offset.toString(36).padStart(8, '0')}`,
    mac: macFor(0x0a64_0000 + offset),
    ip: ipv4Text(0x0a64_0000 + offset),
    ...(mediation === undefined ? {} : { mediation }),
  }));
const anyGuests = fc.uniqueArray(anyGuest, { selector: ({ ip }) => ip, maxLength: 20 });

test('the whole ruleset is the empty one and each guest let in', () => {
  fc.assert(
    fc.property(anyGuests, (guests) => {
      const empty = wholeRuleset(POLICY, []);
      const lines = guests.map((guest) => `${admission(POLICY.tag, guest)}\n`).join('');
      expect(wholeRuleset(POLICY, guests)).toBe(empty + lines);
    }),
  );
});

test('letting one in costs the same however many there are, and names nobody else', () => {
  fc.assert(
    fc.property(anyGuest, anyGuest, (guest, other) => {
      fc.pre(guest.ip !== other.ip);
      const text = admission(POLICY.tag, guest);
      expect(text.split('\n').length).toBeLessThanOrEqual(9);
      expect(text).not.toContain(other.tap);
    }),
  );
});

test('what is let in is let go again, element by element', () => {
  fc.assert(
    fc.property(anyGuests, (guests) => {
      const elements = guests.flatMap(elementsOf);
      const lines = dismissal(
        POLICY.tag,
        [...elements, ...elements],
        guests.map(({ tap }) => tap),
      ).split('\n');
      for (const { family, set, text } of elements)
        for (const verb of ['add', 'delete']) {
          const start = `${verb} element ${family} hypeman-ab12 ${set} {`;
          const found = lines.filter(
            (line) => line.startsWith(start) && line.split(/, | [{}]/).some((part) => part.trim() === text),
          );
          expect(found).toHaveLength(1);
        }
      for (const { tap } of guests) expect(lines).toContain(`delete chain netdev hypeman-ab12 ${tap}`);
    }),
  );
});

test('whose elements are read back is the guest that was written', () => {
  fc.assert(
    fc.property(anyGuest, fc.infiniteStream(fc.nat()), (guest, order) => {
      const elements = [...elementsOf(guest)].sort(() => (order.next().value % 2 === 0 ? 1 : -1));
      expect(guestOfElements(elements)).toEqual(guest);
      expect(isAllOf(guest, elements)).toBe(true);
    }),
  );
});

test('a mediation of which anything is missing or too much is whole for nobody, and never more open', () => {
  fc.assert(
    fc.property(anyGuest, anyMediation, fc.nat(), (guest, mediation, at) => {
      const elements = elementsOf({ ...guest, mediation });
      const mediating = elements.filter(({ set }) => set !== 'guests');
      const gone = mediating[at % mediating.length];
      const rest = elements.filter((one) => one !== gone);
      const found = guestOfElements(rest);
      expect(found?.mediation).toEqual({ mode: 'all' });
      expect(found !== undefined && isAllOf(found, rest)).toBe(false);
    }),
  );
});

test('a listing is read whatever handles and order nft gives', () => {
  fc.assert(
    fc.property(anyGuests, fc.integer({ min: 1 }), fc.integer({ min: 1 }), (guests, one, other) => {
      const rule = { family: 'inet', table: 't', chain: 'host', expr: [{ drop: null }] };
      const listed = (handle: number, some: readonly Guest[]): string =>
        JSON.stringify({
          nftables: [
            { metainfo: {} },
            ...setsOf(some.flatMap(elementsOf), handle),
            { set: { family: 'inet', name: 'questions', elem: ['10.100.0.2'], handle } },
            ...some.map(({ tap }) => ({ chain: { name: tap, handle } })),
            { rule: { ...rule, handle } },
            ...some.map(({ tap }) => ({
              rule: { chain: tap, handle, expr: [{ goto: { target: 'frames' } }] },
            })),
          ],
        });
      const first = listedRuleset([listed(one, guests)]);
      const second = listedRuleset([listed(other, [...guests].reverse())]);
      expect(second.common).toBe(first.common);
      expect(first.elements.size).toBe(guests.length);
      for (const guest of guests)
        for (const { elements } of [first, second]) {
          const found = elements.get(guest.tap) ?? [];
          expect(isAllOf(guest, found)).toBe(true);
          expect(guestOfElements(found)).toEqual(guest);
        }
      expect(first.tapChains.size).toBe(guests.length);
    }),
  );
});

/** As `nft -j` prints sets and maps with these elements. */
function setsOf(elements: readonly Element[], handle: number): readonly unknown[] {
  const names = [...new Set(elements.map(({ family, set }) => `${family} ${set}`))];
  return names.map((name) => {
    const [family, set] = name.split(' ');
    const own = elements.filter((one) => `${one.family} ${one.set}` === name);
    const kind = own.some(({ text }) => text.includes(' : ')) ? 'map' : 'set';
    return { [kind]: { family, name: set, handle, elem: own.map(({ text }) => printed(text)) } };
  });
}

function printed(text: string): unknown {
  const [key = '', value] = text.split(' : ');
  const parts = key.split(' . ').map(wordOf);
  const left = parts.length === 1 ? parts[0] : { concat: parts };
  if (value === undefined) return left;
  const [verb = '', target] = value.split(' ');
  return [left, target === undefined ? wordOf(verb) : { [verb]: { target } }];
}

function wordOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text.replaceAll('"', '');
}
