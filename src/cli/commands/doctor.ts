import { Option } from 'commander';
import type { Command } from 'commander';
import { addCommand, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../faults.ts';
import { parseSubnet } from '../listen-address.ts';

type DoctorOptions = { readonly subnet: string; readonly output?: 'json' };

export function addDoctor(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'doctor',
    summary: 'Tell what this host can and cannot do, with the fix.',
    details: 'Changes nothing. Exit code 1 when something is missing without which no instance can run.',
    examples: [
      ['sudo hypeman-controller doctor', 'before the first instance, and whenever something is odd'],
      ['hypeman-controller doctor -o json', 'for scripts'],
    ],
  })
    .option('--subnet <cidr>', 'the network that the guests are to have', parseSubnet, '10.100.0.0/16')
    .addOption(new Option('-o, --output <format>', 'another form').choices(['json']))
    .action(async (options: DoctorOptions, command: Command) => {
      // Only this command needs most of the house: the others start faster without it.
      const [{ checksFor }, { hostProbe }, { examine, isFit, reportText }] = await Promise.all([
        import('../doctor/checks.ts'),
        import('../doctor/probe.ts'),
        import('../doctor/report.ts'),
      ]);
      const checks = checksFor(context, placesOf(command), options.subnet);
      const results = await examine(checks, hostProbe(context.now, context.signal));
      const text = options.output === 'json' ? `${JSON.stringify(results, null, 2)}\n` : reportText(results);
      context.stdout.write(text);
      if (!isFit(results)) context.setExitCode(EXIT.failed);
    });
}
