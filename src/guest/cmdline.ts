/** Serial output for the log; a panic ends the VM after a second (QEMU runs with -no-reboot). */
const EVERYWHERE = [
  'console=ttyS0',
  'quiet',
  'panic=1',
  'net.ifnames=0',
  'random.trust_cpu=on',
  'cryptomgr.notests',
  'no_timer_check',
  'tsc=reliable',
  '8250.nr_uarts=1',
  'i8042.noaux',
  'i8042.nomux',
  'i8042.nopnp',
  'i8042.dumbkbd',
  // Memory that is plugged in later is used without anybody's help.
  'memhp_default_state=online',
  // Of 2 KiB each, for a device that reaches no further than 4 GiB. Virtio's reach everything, and a guest with memory
  // up there, or room for it, would give up 64 MiB of it (measured: 94 of 192 MiB were left).
  'swiotlb=1024',
];

/**
 * Under emulation the host's CPU is not what runs the guest: mitigations guard nothing and cost half
 * a second of boot (measured: 2.2 s to 1.7 s with all of these).
 */
const EMULATED = ['nokaslr', 'mitigations=off'];

/** The kernel command line. `quiet` leaves the console to the program, to errors and to a panic's words. */
export function cmdlineFor(accelerator: 'kvm' | 'tcg' | 'hvf'): string {
  return [...EVERYWHERE, ...(accelerator === 'tcg' ? EMULATED : [])].join(' ');
}
