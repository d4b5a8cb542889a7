import { readFileSync } from 'node:fs';

type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
};

/** Ends a test run with one line that any reader can count, after saying loudly what was skipped. */
const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Report;
const skipped = report.testResults.flatMap(({ name, assertionResults }) =>
  assertionResults
    .filter(({ status }) => status === 'skipped' || status === 'pending')
    .map(({ fullName }) => `SKIPPED ${name.replace(`${process.cwd()}/`, '')}: ${fullName}`),
);
for (const line of skipped) console.log(line);
const brokenFiles = report.testResults.filter(({ assertionResults }) => assertionResults.length === 0).length;
const failed = report.numFailedTests + brokenFiles;
console.log(`${report.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped`);
if (failed > 0 || report.numPassedTests === 0) process.exitCode = 1;
