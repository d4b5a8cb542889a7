import { existsSync, readFileSync } from 'node:fs';

type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
};

/**
 * Ends a test run with one line that any reader can count, after saying loudly what was skipped, and what passed at
 * its second try alone. The directory has a report for each name in `begun`, and in `skipped` the files for which
 * there was no time left.
 */
const LONGEST_WHY = 400;
const directory = process.argv[2] ?? '';
const reports = linesOf('begun').map((name) => reportOf(name));
const skipped = [
  ...reports.flatMap((report) => (report === undefined ? [] : skippedIn(report))),
  ...linesOf('skipped').map((file) => `SKIPPED ${file}: no time was left (TEST_MINUTES)`),
];
for (const line of skipped) console.log(line);
for (const report of reports)
  for (const line of report === undefined ? [] : retriedIn(report)) console.log(line);
const passed = reports.reduce((sum, report) => sum + (report?.numPassedTests ?? 0), 0);
const failed = reports.reduce((sum, report) => sum + failedIn(report), 0);
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
if (failed > 0 || passed === 0) process.exitCode = 1;

function linesOf(file: string): readonly string[] {
  const path = `${directory}/${file}`;
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

function reportOf(name: string): Report | undefined {
  const path = `${directory}/${name}.json`;
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Report;
  console.log(`FAILED ${name}: the test runner ended without a report`);
  return undefined;
}

function skippedIn({ testResults }: Report): readonly string[] {
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'skipped' || status === 'pending')
      .map(({ fullName }) => `SKIPPED ${name.replace(`${process.cwd()}/`, '')}: ${fullName}`),
  );
}

/** What passed only when it was run again: a busy machine, or a fault that comes and goes. */
function retriedIn({ testResults }: Report): readonly string[] {
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.flatMap(({ status, fullName, failureMessages }) => {
      const first = failureMessages?.[0];
      if (status !== 'passed' || first === undefined) return [];
      return [
        `RETRIED ${name.replace(`${process.cwd()}/`, '')}: ${fullName}: ${first.slice(0, LONGEST_WHY)}`,
      ];
    }),
  );
}

/** A file that broke before its first test counts as one. */
function failedIn(report: Report | undefined): number {
  if (report === undefined) return 1;
  const broken = report.testResults.filter(({ assertionResults }) => assertionResults.length === 0);
  return report.numFailedTests + broken.length;
}
