import { GUEST_MARK } from './policy.ts';

/** Before everything that others usually route by (Tailscale 5210, main 32766), behind `local`. */
const PREFERENCES = { skip: 4801, refuse: 4802, end: 4803 } as const;

/** One of `ip -json rule show`, the words that matter. */
export type RoutingRule = { readonly priority: number; readonly from: string };

/**
 * The pool is routed only while our table says so by its mark: when somebody flushes the rules, what guests
 * send is dropped by these instead of leaving unguarded. Other sources than the guest's own are then refused
 * by the tap's strict rp_filter. Packets of the host itself (replies from the gateway's address) and reverse
 * path checks (`iif lo`, fib_frontend.c) carry no mark and jump over the refusal.
 */
export function closingRules(subnet: string): readonly string[] {
  const { skip, refuse, end } = PREFERENCES;
  return [
    `pref ${end} from ${subnet} nop`,
    `pref ${skip} from ${subnet} iif lo goto ${end}`,
    `pref ${refuse} from ${subnet} fwmark 0x0/${GUEST_MARK} blackhole`,
  ];
}

/** As `closingRules`, read back from `ip rule`; true when all of them are there. */
export function isClosed(rules: readonly RoutingRule[], subnet: string): boolean {
  return Object.values(PREFERENCES).every((one) => ours(rules, subnet).includes(one));
}

/** `ip -batch` lines that bring the rules about, whatever part of them is there. */
export function closing(rules: readonly RoutingRule[], subnet: string): string {
  return [...opening(rules, subnet), ...closingRules(subnet).map((rule) => `rule add ${rule}`), ''].join(
    '\n',
  );
}

/** `ip -batch` lines that take away what is there of them. */
export function opening(rules: readonly RoutingRule[], subnet: string): readonly string[] {
  return ours(rules, subnet).map((preference) => `rule del pref ${preference} from ${subnet}`);
}

function ours(rules: readonly RoutingRule[], subnet: string): readonly number[] {
  const preferences: readonly number[] = Object.values(PREFERENCES);
  return rules
    .filter(({ priority, from }) => preferences.includes(priority) && from === subnet)
    .map(({ priority }) => priority);
}
