#!/usr/bin/env bash
# The gate without running anything: types, lint, import rules, dead code, format, C warnings. Under a minute.
set -uo pipefail
cd "$(dirname "$0")/../.."
bash test/tools/ensure-host.sh || exit 1
export PATH="$PWD/node_modules/.bin:$PATH"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

declare -A checks=(
  [tsc]='tsc --noEmit -p .'
  [eslint]='eslint --cache --cache-location .cache/eslint src test'
  [rooms]='depcruise src --config .dependency-cruiser.cjs --output-type err'
  [knip]='knip --config .knip.json'
  [prettier]='prettier --check --log-level warn .'
  [init]='node test/tools/check-init.ts'
  [generated]='node test/tools/readme-fields.ts --check'
)
mkdir -p .cache
for name in "${!checks[@]}"; do
  (
    if ${checks[$name]} >"$out/$name.log" 2>&1; then echo ok; else echo failed; fi >"$out/$name.result"
  ) &
done
wait
status=0
for name in "${!checks[@]}"; do
  result=$(cat "$out/$name.result")
  echo "check $name: $result"
  if [ "$result" != ok ]; then
    status=1
    cat "$out/$name.log"
  fi
done
exit $status
