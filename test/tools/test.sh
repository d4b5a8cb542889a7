#!/usr/bin/env bash
# Everything that can run on this machine: unit and host (root, real tools), then file by file vm (real QEMU), and
# cluster (a real control plane, built once) beside it. Where TEST_MINUTES is set, a file that would begin later is
# skipped, loudly: CI has a limit, and machines differ. The longest files come first.
# Arguments go to vitest in place of all that: `npm test -- --project unit`, `npm test -- test/vm/lifecycle.test.ts`.
set -uo pipefail
cd "$(dirname "$0")/../.."
bash test/tools/ensure-host.sh tests || exit 1
export PATH="$PWD/node_modules/.bin:$PATH"
reports=.cache/test-reports
rm -rf "$reports"
mkdir -p "$reports"

run() { # NAME VITEST-ARGUMENTS...
  local name=$1
  shift
  echo "$name" >>"$reports/begun"
  vitest run --config test/tools/vitest.config.ts --reporter=default --reporter=json \
    --outputFile.json="$reports/$name.json" "$@" || touch "$reports/failed"
}

one_by_one() { # PROJECT FILES...
  local project=$1 file
  shift
  for file in "$@"; do
    if [ -n "${TEST_MINUTES:-}" ] && [ "$SECONDS" -ge $((TEST_MINUTES * 60)) ]; then
      echo "$file" >>"$reports/skipped"
    else
      local name
      name="$project-$(basename "$file" .test.ts)"
      run "$name" --project "$project" "$file" >"$reports/$name.log" 2>&1
      flock "$reports/lock" cat "$reports/$name.log"
    fi
  done
}

if [ $# -gt 0 ]; then
  run given "$@"
else
  run always --project unit --project host
  long=(test/vm/egress-clients.test.ts test/vm/resilience.test.ts test/vm/qemu-snapshot.test.ts)
  mapfile -t short < <(printf '%s\n' test/vm/*.test.ts | grep -vxF "$(printf '%s\n' "${long[@]}")")
  # Beside each other where there is room: neither keeps four cores busy. What a file says is printed when it ends.
  one_by_one vm "${long[@]}" "${short[@]}" &
  [ "$(nproc)" -ge 4 ] || wait
  one_by_one cluster test/cluster/*.test.ts
  wait
fi
status=0
[ ! -e "$reports/failed" ] || status=1
node test/tools/summary.ts "$reports" || status=1
exit $status
