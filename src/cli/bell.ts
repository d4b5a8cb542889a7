/** Wakes one waiter. A ring that nobody waited for is heard by the next one who does; several are one. */
export type Bell = { readonly ring: () => void; readonly rung: () => Promise<void> };

export function openBell(): Bell {
  let isRung = false;
  let wake: (() => void) | undefined;
  return {
    ring: () => {
      isRung = true;
      wake?.();
    },
    rung: async () => {
      if (!isRung)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      isRung = false;
      wake = undefined;
    },
  };
}
