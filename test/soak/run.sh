#!/usr/bin/env bash
# 200 sessions of mixed work on a real bridge and a local cloud that fails at random, for two minutes; then looks for what was
# left behind. Prints a table, and fails when an effect came twice, an error was not a documented one, something hung, or
# anything leaked.
#
#   test/soak/run.sh [--seed N] [--sessions N] [--seconds N]
set -euo pipefail
cd "$(dirname "$0")/../.."
source examples/install.sh
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' test/soak/run.sh; exit 0 ;; esac

install_packages "${build_packages[@]}" "${run_packages[@]}"
install_node
[ -n "${SANDBRIDGE_BINARY:-}" ] || build_bridge build sandbridge
build_plugin
exec node test/soak/main.mjs "$@"
