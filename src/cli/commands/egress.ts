import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { Decision } from '../../egress/audit.ts';
import { addCommand, collect, namespaceOption, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { DECISION_FORMATS } from '../decision-rows.ts';
import type { DecisionFormat } from '../decision-rows.ts';
import { parseDuration } from '../durations.ts';
import { usageFault } from '../faults.ts';
import { findInstance, instanceKeyOf, isMediated } from '../instances.ts';
import { printDecisions } from '../print-decisions.ts';

type Verdict = Decision['verdict'];
const VERDICTS: readonly Verdict[] = ['injected', 'forwarded', 'spliced', 'refused', 'failed'];

type EgressOptions = {
  readonly namespace: string;
  readonly allNamespaces?: true;
  readonly follow?: true;
  readonly since?: number;
  readonly output: DecisionFormat;
  readonly verdict?: readonly Verdict[];
  readonly credential?: readonly string[];
  readonly headers: boolean;
};

export function addEgress(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'egress [name]',
    summary: 'Print what the egress proxy let through or refused, and which credentials it used.',
    details:
      'The last 128 decisions about each instance are kept; -f goes on with new ones, over restarts of the ' +
      'controller. Names of credentials are printed, never a value.',
    examples: [
      ['hypeman-controller egress web -f', 'as it happens, until interrupted'],
      ['hypeman-controller egress web --verdict refused --verdict failed', 'what does not work, and why'],
      ['hypeman-controller egress -A --credential openai --since 10m', 'who used a credential lately'],
      ["hypeman-controller egress -f -o json | jq -r 'select(.verdict) | .host'", 'for scripts: a line each'],
    ],
  })
    .addOption(namespaceOption())
    .option('-A, --all-namespaces', 'in every namespace')
    .option('-f, --follow', 'go on with what is decided from now on')
    .addOption(
      new Option('--since <duration>', 'only what is not older: 30s, 10m, 2h').argParser(parseDuration),
    )
    .addOption(verdictOption())
    .option('--credential <credential>', 'only where this credential was concerned; repeatable', collect)
    .addOption(new Option('-o, --output <format>', 'the form').choices(DECISION_FORMATS).default('table'))
    .option('--no-headers', 'no line of column titles')
    .action(async (name: string | undefined, options: EgressOptions, command: Command) => {
      await egress(context, command, name, options);
    });
}

async function egress(
  context: CliContext,
  command: Command,
  name: string | undefined,
  options: EgressOptions,
): Promise<void> {
  const { allNamespaces = false, follow = false, namespace, since, verdict, credential } = options;
  if (name !== undefined && allNamespaces)
    throw usageFault('a name is looked up in one namespace: not with -A');
  const places = placesOf(command);
  const instance = name === undefined ? undefined : await findInstance(places, namespace, name);
  if (instance !== undefined && !isMediated(instance))
    context.stderr.write(
      `warning: instance "${instance.metadata.name}" has no network.egress.enabled: its way out is not mediated\n`,
    );
  const notBefore = since === undefined ? 0 : context.now() - since;
  const isWanted = (decision: Decision): boolean =>
    decision.at >= notBefore &&
    (allNamespaces || decision.key.startsWith(`${namespace}/`)) &&
    (verdict === undefined || verdict.includes(decision.verdict)) &&
    (credential === undefined || credential.some((one) => decision.credentials.includes(one)));
  await printDecisions(context, places, {
    ...(instance === undefined ? {} : { key: instanceKeyOf(instance) }),
    ...{ follow, isWanted },
    text: { format: options.output, headers: options.headers, namespaces: allNamespaces },
  });
}

function verdictOption(): Option {
  return new Option('--verdict <verdict>', `only this one; repeatable`)
    .choices(VERDICTS)
    .argParser((text: string, before: readonly string[] | undefined) => {
      if (!VERDICTS.some((verdict) => verdict === text))
        throw new InvalidArgumentError(`Allowed choices are ${VERDICTS.join(', ')}.`);
      return [...(before ?? []), text];
    });
}
