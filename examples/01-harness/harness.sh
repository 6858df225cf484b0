#!/usr/bin/env bash
# The same harness in shell. SANDBRIDGE names the binary; by default it is the one in build/.
set -euo pipefail
sandbridge=${SANDBRIDGE:-"$(dirname "$0")/../../build/sandbridge"}
session="harness-sh-$$"
trap '"$sandbridge" delete --session "$session"' EXIT

# A tool's arguments are JSON, as a model writes them; its result is one JSON object.
"$sandbridge" tool write --session "$session" - <<'JSON'
{"filePath": "/workspace/primes.sh", "content": "seq 2 $1 | while read -r n; do\n  set -- $(factor $n)\n  [ $# = 2 ] && echo $n\ndone\ntrue\n"}
JSON

# Output arrives as it is printed; the exit code is the command's.
"$sandbridge" exec --session "$session" --timeout 60 -- bash primes.sh 20

"$sandbridge" tool grep --session "$session" '{"pattern": "factor"}'
