#!/usr/bin/env bash
# dist/: what is published. Compiled JavaScript, and init as a static binary for this architecture.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"
rm -rf dist
tsc -p test/tools/tsconfig.build.json
node test/tools/copy-init.ts dist/src/guest
chmod +x dist/src/main.js
