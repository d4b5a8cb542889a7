import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { Decision } from '../../egress/audit.ts';
import { addCommand, collect } from '../command.ts';
import type { CliContext } from '../context.ts';
import { DECISION_FORMATS } from '../decision-rows.ts';
import type { DecisionFormat } from '../decision-rows.ts';
import { parseDuration } from '../durations.ts';
import { usageFault } from '../faults.ts';
import type { Fleet } from '../fleet.ts';
import { addAgentOption, addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { findInstance, instanceKeyOf, isMediated } from '../instances.ts';
import { printDecisions } from '../print-decisions.ts';

type Verdict = Decision['verdict'];
const VERDICTS: readonly Verdict[] = ['injected', 'forwarded', 'spliced', 'refused', 'failed'];

type EgressOptions = NamespaceFlag & {
  readonly allNamespaces?: true;
  readonly follow?: true;
  readonly since?: number;
  readonly output: DecisionFormat;
  readonly verdict?: readonly Verdict[];
  readonly credential?: readonly string[];
  readonly headers: boolean;
};

export function addEgress(program: Command, context: CliContext): void {
  const command = addCommand(program, {
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
    .option('-A, --all-namespaces', 'in every namespace')
    .option('-f, --follow', 'go on with what is decided from now on')
    .addOption(
      new Option('--since <duration>', 'only what is not older: 30s, 10m, 2h').argParser(parseDuration),
    )
    .addOption(verdictOption())
    .option('--credential <credential>', 'only where this credential was concerned; repeatable', collect)
    .addOption(new Option('-o, --output <format>', 'the form').choices(DECISION_FORMATS).default('table'))
    .option('--no-headers', 'no line of column titles');
  addFleetOptions(command);
  addAgentOption(command);
  command.action(async (name: string | undefined, options: EgressOptions) => {
    await egress(context, await openFleet(context, command), name, options);
  });
}

async function egress(
  context: CliContext,
  fleet: Fleet,
  name: string | undefined,
  options: EgressOptions,
): Promise<void> {
  const { allNamespaces = false, follow = false, namespace = fleet.namespace } = options;
  if (name !== undefined && allNamespaces)
    throw usageFault('a name is looked up in one namespace: not with -A');
  const instance = name === undefined ? undefined : await findInstance(fleet, name, namespace);
  if (instance !== undefined && !isMediated(instance))
    context.stderr.write(
      `warning: instance "${instance.metadata.name}" has no network.egress.enabled: its way out is not mediated\n`,
    );
  await printDecisions(context, fleet.controllerOf(instance), {
    ...(instance === undefined ? {} : { key: instanceKeyOf(instance) }),
    ...{ follow, isWanted: wishFor(options, namespace, context.now()) },
    text: { format: options.output, headers: options.headers, namespaces: allNamespaces },
  });
}

function wishFor(
  { allNamespaces, since, verdict, credential }: EgressOptions,
  namespace: string,
  now: number,
): (decision: Decision) => boolean {
  const notBefore = since === undefined ? 0 : now - since;
  return (decision) =>
    decision.at >= notBefore &&
    (allNamespaces === true || decision.key.startsWith(`${namespace}/`)) &&
    (verdict === undefined || verdict.includes(decision.verdict)) &&
    (credential === undefined || credential.some((one) => decision.credentials.includes(one)));
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
