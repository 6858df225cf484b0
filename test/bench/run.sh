#!/usr/bin/env bash
# Measures speed and size beside TensorLake's official SDK, on the same local cloud. Prints a table and keeps every sample
# in build/bench/*.json. Asserts nothing about time: a figure that misses its target is shown, not failed.
# README.md beside this script says how each row is measured.
#
#   test/bench/run.sh                 all rows, some minutes
#   test/bench/run.sh --rows A,B      some of: bash bash-latency edit parallel reads transfer sessions first-call start
#   test/bench/run.sh --quick         few rounds: proves that it runs, says nothing about speed
#
# SANDBRIDGE_BINARY names another build than build/sandbridge.
set -euo pipefail
cd "$(dirname "$0")/../.."

case " $* " in *" --help "* | *" -h "*) sed -n '2,10s/^# \{0,1\}//p' test/bench/run.sh; exit 0 ;; esac

source examples/install.sh
install_node
if [ -z "${SANDBRIDGE_BINARY:-}" ]; then build_bridge build sandbridge; fi
build_plugin
npm_install "$root/test/conformance"
# The official SDK needs Node 22, which comes with its conformance tests.
exec test/conformance/node_modules/node-linux-*/bin/node --no-warnings test/bench/main.mjs "$@"
