#!/usr/bin/env bash
# Runs both harnesses against the bridge that is running (`sandbridge serve`, or SANDBRIDGE_URL and SANDBRIDGE_TOKEN).
set -euo pipefail
cd "$(dirname "$0")"
source ../install.sh
build_plugin

# What `npm install opencode-sandbridge` would do in a project of yours.
mkdir -p node_modules
ln -sfn ../../../plugin node_modules/opencode-sandbridge

say "harness.ts"
../../plugin/node_modules/.bin/tsx harness.ts
say "harness.sh"
./harness.sh
