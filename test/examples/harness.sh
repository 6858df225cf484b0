#!/usr/bin/env bash
# Runs examples/01-harness against a bridge of its own, and checks what it printed and that it left nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
export SANDBRIDGE=${SANDBRIDGE_BINARY:-"$PWD/build/sandbridge"}
state=$(mktemp -d "${TMPDIR:-/tmp}/sandbridge-harness.XXXXXX")
unset SANDBRIDGE_TOKEN SANDBRIDGE_TOKEN_FILE TENSORLAKE_API_KEY TENSORLAKE_PAT
export XDG_STATE_HOME=$state

"$SANDBRIDGE" serve --listen 127.0.0.1:0 --local "$state/local" >"$state/ready" 2>"$state/log" &
bridge=$!
clean_up() {
  kill "$bridge" 2>/dev/null && wait "$bridge" 2>/dev/null
  rm -rf "$state"
}
trap clean_up EXIT
for ((i = 0; i < 300; i++)); do
  grep -q '^sandbridge ready' "$state/ready" && break
  kill -0 "$bridge" 2>/dev/null || { cat "$state/log"; exit 1; }
  sleep 0.1
done
SANDBRIDGE_URL=$(awk '{ print $3 }' "$state/ready")
export SANDBRIDGE_URL

examples/01-harness/run.sh | tee "$state/output"

check() { # WHAT COMMAND...
  local what=$1
  shift
  "$@" || { echo "FAIL $what" >&2; exit 1; }
}
check "both commands printed the primes" test "$(grep -cx 19 "$state/output")" = 2
check "nothing that is no prime was printed" eval '! grep -qx 15 "$state/output"'
check "the tool found the line in TypeScript" grep -q 'Line 6: .*prime=no' "$state/output"
check "the tool found the line in shell" grep -q '"matches":1' "$state/output"
check "no sandbox is left" test -z "$("$SANDBRIDGE" sessions --json)"
