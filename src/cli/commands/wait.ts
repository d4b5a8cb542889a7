import { Option } from 'commander';
import type { Command } from 'commander';
import { HypemanError } from '../../errors.ts';
import { keyOf } from '../../machine/ids.ts';
import { readReported } from '../reported.ts';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext, Places } from '../context.ts';
import { parseDuration } from '../durations.ts';
import { EXIT, lineOf } from '../faults.ts';
import { NAME_PREFIX, bareName, instanceKeyOf } from '../instances.ts';
import { parseFor } from '../wait-for.ts';
import type { Wish } from '../wait-for.ts';
import { whileWatching } from '../watch-instances.ts';

type WaitOptions = { readonly namespace: string; readonly for: string; readonly timeout: number };

const DEFAULT_TIMEOUT_MS = 30_000;

export function addWait(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'wait <names...>',
    summary: 'Wait until instances are as you want them.',
    details:
      'Exit code 0 when all are, 1 when the time is over. An instance that is not there yet is waited for: ' +
      'a file that was just written takes a moment to be seen.',
    examples: [
      ['hypeman-controller wait web --for=condition=Ready --timeout=2m', 'until it works'],
      ['hypeman-controller wait web --for=state=Stopped', 'until it stopped'],
      ["hypeman-controller wait web --for=jsonpath='{.status.exitCode}'=0", 'until its program succeeded'],
      ['hypeman-controller wait web db --for=delete', 'until both are gone without a trace'],
    ],
  })
    .addOption(namespaceOption())
    .option(
      '--for <what>',
      'condition=TYPE[=STATUS], state=STATE, jsonpath={PATH}[=VALUE], create, delete',
      'condition=Ready',
    )
    .addOption(
      new Option('--timeout <duration>', 'how long: 30s, 5m; 0 looks once')
        .argParser(parseDuration)
        .default(DEFAULT_TIMEOUT_MS, '30s'),
    )
    .action(async (names: string[], options: WaitOptions, command: Command) => {
      const wish = parseFor(options.for);
      const waits = names.map((name) => waitFor(context, placesOf(command), { name, wish, options }));
      const outcomes = await Promise.all(waits);
      if (outcomes.includes(false)) context.setExitCode(EXIT.failed);
    });
}

type Wait = { readonly name: string; readonly wish: Wish; readonly options: WaitOptions };

/** Prints how it ended; false when the time was over first. */
async function waitFor(context: CliContext, places: Places, { name, wish, options }: Wait): Promise<boolean> {
  const key = keyOf(options.namespace, bareName(name));
  const end = new AbortController();
  const timer = setTimeout(() => {
    end.abort();
  }, options.timeout);
  const state = { isMet: false, wasThere: false };
  const look = async (): Promise<void> => {
    const found = (await readReported(places.stateDir)).find((instance) => instanceKeyOf(instance) === key);
    state.wasThere = found !== undefined;
    state.isMet = wish.holds(found);
    if (state.isMet) end.abort();
  };
  try {
    await look();
    if (!state.isMet && options.timeout > 0)
      await whileWatching(places, AbortSignal.any([end.signal, context.signal]), look);
  } finally {
    clearTimeout(timer);
  }
  if (state.isMet)
    context.stdout.write(
      `${NAME_PREFIX}${bareName(name)} ${wish.text === 'delete' ? 'deleted' : 'condition met'}\n`,
    );
  else context.stderr.write(`${lineOf(timedOut(name, wish, state.wasThere))}\n`);
  return state.isMet;
}

function timedOut(name: string, wish: Wish, wasThere: boolean): HypemanError {
  const hint = wasThere ? '' : ': there is no such instance';
  return new HypemanError(
    'transient',
    'Timeout',
    `timed out waiting for ${wish.text} of ${bareName(name)}${hint}`,
  );
}
