#!/usr/bin/env bash
# Installs what it needs, builds, and runs every test. Ends with "N passed, N failed"; exit code 0 only without failures.
#
#   test/run.sh            everything
#   test/run.sh SUITE...   some of: unit asan fuzz soak plugin conformance opencode parity opencode-asan examples readme bench
set -euo pipefail
cd "$(dirname "$0")/.."
source examples/install.sh

usage() { sed -n '2,5s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in -h | --help) usage; exit 0 ;; esac
suites=("$@")
[ $# -gt 0 ] || suites=(unit asan fuzz soak plugin conformance opencode parity opencode-asan examples readme bench)

passed=0 failed=0
logs=build/test-logs
mkdir -p "$logs"

wanted() { printf '%s\n' "${suites[@]}" | grep -qx "$1"; }

# suite NAME COMMAND...: runs it, keeps its output, adds its counts. The counts are read from the closing lines of
# Catch2 ("test cases: 9 | 8 passed | 1 failed"), node:test ("# pass 8") and Bun ("8 pass"); a suite that closes with none
# of them counts as one test, passed when it exits with 0. A suite that fails without a failed test counts as one.
suite() {
  local name=$1 log="$logs/$1.log" status=0 ok bad started=$SECONDS
  shift
  say "$name"
  "$@" >"$log" 2>&1 || status=$?
  ok=$(count_of pass "$log")
  bad=$(count_of fail "$log")
  if [ "$status" = 0 ] && [ $((ok + bad)) = 0 ]; then ok=1; fi
  if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  passed=$((passed + ok)) failed=$((failed + bad))
  printf '%s: %d passed, %d failed (%d s)\n' "$name" "$ok" "$bad" $((SECONDS - started))
  if [ "$bad" != 0 ]; then
    printf '%s failed; what failed in %s, and its end:\n' "$name" "$log"
    failures_of "$log"
    tail -n 30 "$log"
  fi
}

count_of() {
  awk -v kind="$1" '
    kind == "pass" && /^All tests passed \(.* in [0-9]+ test case/ { sub(/.* in /, ""); n += $1 }
    kind == "pass" && /^test cases:/ && match($0, /[0-9]+ passed/) { n += substr($0, RSTART) + 0 }
    kind == "fail" && /^test cases:/ && match($0, /[0-9]+ failed/) { n += substr($0, RSTART) + 0 }
    ($1 == "#" || $1 == "ℹ") && $2 == kind && $3 ~ /^[0-9]+$/ { n += $3 }
    NF == 2 && $1 ~ /^[0-9]+$/ && $2 == kind { n += $1 }
    END { print n + 0 }' "$2"
}

# What Catch2, node:test, Bun and the sanitizers say of a failure: it may be far from the end.
failures_of() {
  grep -anE -B 14 -A 14 'FAILED:|^FAIL |due to a fatal error|^not ok |^ +not ok |^\(fail\)|ERROR: [A-Z][A-Za-z]*Sanitizer|runtime error: ' "$1" |
    head -n 200 || true
}

# Every program of Catch2, as many side by side as there are cores: most of their time is waiting.
unit_tests() {
  local build=$1 status=0 logs log
  logs=$(mktemp -d)
  find "$build" -maxdepth 1 -name 'test-*' -type f -executable -print0 | sort -z |
    xargs -0 -P "$(nproc)" -I{} sh -c '"$1" >"$2/${1##*/}" 2>&1' sh {} "$logs" || status=1
  for log in "$logs"/*; do
    printf -- '--- %s\n' "${log##*/}"
    cat "$log"
  done
  rm -rf "$logs"
  return $status
}

install_packages "${build_packages[@]}" "${run_packages[@]}" procps python3 jq tmux busybox clangd wget
install_node

build_bridge build all
if wanted asan || wanted opencode-asan; then build_bridge build-asan all -DSANDBRIDGE_SANITIZE=ON; fi
build_plugin
export SANDBRIDGE_BINARY="$PWD/build/sandbridge"
# Leaks, use after free and undefined behaviour end the process with a report.
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

if wanted unit; then
  suite unit unit_tests build
  suite commands test/rpc/commands.sh
  suite faults test/faults/bridge-and-cloud.sh
fi
if wanted asan; then
  suite asan unit_tests build-asan
  suite commands-asan env SANDBRIDGE_BINARY="$PWD/build-asan/sandbridge" test/rpc/commands.sh
fi
if wanted fuzz; then suite fuzz test/fuzz/run.sh 60; fi
if wanted soak; then suite soak test/soak/run.sh; fi
if wanted plugin; then
  suite plugin-node npm --prefix plugin run --silent test:node
  suite plugin-bun npm --prefix plugin run --silent test:bun
fi
if wanted conformance; then
  npm_install "$root/test/conformance"
  suite conformance npm --prefix test/conformance test --silent
fi
if wanted opencode || wanted parity || wanted opencode-asan; then
  install_opencode
  export OPENCODE_COMMAND="$opencode"
fi
if wanted opencode; then
  npm_install "$root/test/opencode/language-servers"
  suite opencode npm --prefix test/opencode test --silent
fi
if wanted parity; then suite parity node test/opencode/parity/run.mjs; fi
if wanted opencode-asan; then
  # Without the files that are about the plugin alone.
  suite opencode-asan env SANDBRIDGE_BINARY="$PWD/build-asan/sandbridge" npm --prefix test/opencode run --silent test:bridge
fi
if wanted examples; then
  suite quickstart examples/quickstart.sh --exit
  suite harness test/examples/harness.sh
fi
if wanted readme; then suite readme node --test test/examples/readme.mjs; fi
if wanted bench; then suite bench test/bench/run.sh --quick; fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
