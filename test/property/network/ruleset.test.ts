import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listedRuleset } from '../../../src/network/listed-ruleset.ts';
import { macFor, ipv4Text } from '../../../src/network/ipv4.ts';
import { admission, dismissal, wholeRuleset } from '../../../src/network/ruleset.ts';
import type { Guest } from '../../../src/network/ruleset.ts';

const POLICY = { tag: 'ab12', subnet: '10.100.0.0/16', gateway: '10.100.0.1', resolvers: ['9.9.9.9'] };

const anyGuest: fc.Arbitrary<Guest> = fc.integer({ min: 2, max: 65_534 }).map((offset) => ({
  tap: `hm-ab12${offset.toString(36).padStart(8, '0')}`,
  mac: macFor(0x0a64_0000 + offset),
  ip: ipv4Text(0x0a64_0000 + offset),
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
      expect(text.split('\n')).toHaveLength(5);
      expect(text).not.toContain(other.tap);
    }),
  );
});

test('what is let in is let go again, element by element', () => {
  fc.assert(
    fc.property(anyGuests, (guests) => {
      const text = dismissal(
        POLICY.tag,
        [...guests, ...guests],
        guests.map(({ tap }) => tap),
      );
      for (const { tap, mac, ip } of guests) {
        const element = `"${tap}" . ${mac} . ${ip}`;
        for (const family of ['inet', 'netdev'])
          expect(text).toMatch(new RegExp(`^delete element ${family} hypeman-ab12 guests .*${element}`, 'm'));
        expect(text.split(element)).toHaveLength(5);
        expect(text).toContain(`delete chain netdev hypeman-ab12 ${tap}\n`);
      }
    }),
  );
});

test('a listing is read whatever handles and order nft gives', () => {
  fc.assert(
    fc.property(anyGuests, fc.integer({ min: 1 }), fc.integer({ min: 1 }), (guests, one, other) => {
      const rule = { family: 'inet', table: 't', chain: 'host', expr: [{ drop: null }] };
      const listed = (handle: number, elements: readonly Guest[]): string =>
        JSON.stringify({
          nftables: [
            { metainfo: {} },
            {
              set: {
                name: 'guests',
                elem: elements.map(({ tap, mac, ip }) => ({ concat: [tap, mac, ip] })),
                handle,
              },
            },
            ...elements.map(({ tap }) => ({ chain: { name: tap, handle } })),
            { rule: { ...rule, handle } },
            ...elements.map(({ tap }) => ({
              rule: { chain: tap, handle, expr: [{ goto: { target: 'frames' } }] },
            })),
          ],
        });
      const first = listedRuleset([listed(one, guests)]);
      const second = listedRuleset([listed(other, [...guests].reverse())]);
      expect(second.common).toBe(first.common);
      expect(new Map([...second.guests].sort())).toEqual(new Map([...first.guests].sort()));
      expect([...first.guests.values()].flat()).toEqual(guests);
      expect(first.tapChains.size).toBe(guests.length);
    }),
  );
});
