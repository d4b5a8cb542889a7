#!/usr/bin/env bash
# Everything that can run on this machine: unit, host (root, real tools), vm (real QEMU).
# Arguments go to vitest: `npm test -- --project unit`, `npm test -- test/vm/lifecycle.test.ts`.
set -uo pipefail
cd "$(dirname "$0")/../.."
bash test/tools/ensure-host.sh tests || exit 1
export PATH="$PWD/node_modules/.bin:$PATH"
mkdir -p .cache
report=.cache/test-report.json
rm -f "$report"
vitest run --config test/tools/vitest.config.ts --reporter=default --reporter=json --outputFile.json="$report" "$@"
status=$?
node test/tools/summary.ts "$report" || status=1
exit $status
