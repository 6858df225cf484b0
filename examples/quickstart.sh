#!/usr/bin/env bash
# From a fresh clone to a real OpenCode at work in a sandbox. On a bare Debian 12, as root or with sudo:
#
#   examples/quickstart.sh           shows a small job, then leaves the server running and says how to attach to it
#   examples/quickstart.sh --exit    shows it, checks it, cleans up; exit code 0 only if all of it was true
#
# Without a model key in the environment a scripted stand-in plays the model. Without TENSORLAKE_API_KEY the sandboxes are
# local ones. PORT (default 8787) is the bridge's port; TASK replaces the job when a real model does it.
set -euo pipefail
cd "$(dirname "$0")/.."
source examples/install.sh

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }
leave=no
case "${1:-}" in
  "") ;;
  --exit) leave=yes ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

port=${PORT:-8787}
task=${TASK:-"In the workspace, write leap.sh, which says whether a year is a leap year (leap or common), with a century bug in it,
and leap_test.sh, which finds the bug. Run the test, see it fail, mend the program, see it pass, then list and search the tree."}

install_packages "${build_packages[@]}" "${run_packages[@]}"
install_node
build_bridge build sandbridge
build_plugin
install_opencode

state=$(mktemp -d "${TMPDIR:-/tmp}/sandbridge-quickstart.XXXXXX")
bridge_pid='' model_pid=''
stop() { # PID: ends a process that this script started, and waits for it
  if [ -n "$1" ] && kill "$1" 2>/dev/null; then wait "$1" 2>/dev/null || true; fi
}
clean_up() {
  stop "$bridge_pid"
  stop "$model_pid"
  rm -rf "$state"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wait_for_line() { # FILE PATTERN PID SECONDS WHAT: until the pattern stands in the file; prints the line
  local i
  for ((i = 0; i < $4 * 10; i++)); do
    grep -m1 -- "$2" "$1" 2>/dev/null && return 0
    kill -0 "$3" 2>/dev/null || { tail -n 20 "$1" >&2; fail "$5 ended before it was ready."; }
    sleep 0.1
  done
  tail -n 20 "$1" >&2
  fail "$5 was not ready after $4 s."
}

model_keys=(ANTHROPIC_API_KEY OPENAI_API_KEY OPENROUTER_API_KEY GEMINI_API_KEY GOOGLE_GENERATIVE_AI_API_KEY GROQ_API_KEY
  MISTRAL_API_KEY DEEPSEEK_API_KEY XAI_API_KEY OPENCODE_API_KEY)
model=''
for name in "${model_keys[@]}"; do [ -z "${!name:-}" ] || model=$name; done
if [ -z "$model" ]; then
  say "No model key in the environment: a SCRIPTED STAND-IN plays the model (examples/opencode/task.json)"
  node examples/opencode/scripted-model.mjs --port 0 --script examples/opencode/task.json >"$state/model.log" 2>&1 &
  model_pid=$!
  model_url=$(wait_for_line "$state/model.log" 'listening' "$model_pid" 10 "The scripted model" | grep -o 'http://[^ ]*')
  export OPENCODE_CONFIG="$state/opencode.json"
  sed "s|MODEL_URL|$model_url|" examples/opencode/scripted-model.json >"$OPENCODE_CONFIG"
  # Nothing but the stand-in is asked, so OpenCode needs no network.
  export OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_DEFAULT_PLUGINS=1
else
  say "Using the model that OpenCode chooses for $model"
fi

say "Starting the bridge with OpenCode behind it"
build/sandbridge serve --listen "127.0.0.1:$port" --opencode --opencode-command "$opencode" \
  >"$state/bridge.out" 2>"$state/bridge.log" &
bridge_pid=$!
ready=$(wait_for_line "$state/bridge.out" '^sandbridge ready' "$bridge_pid" 90 "The bridge" || { cat "$state/bridge.log" >&2; exit 1; })
echo "$ready" >&2
url="http://127.0.0.1:$port"
export SANDBRIDGE_URL="ws://127.0.0.1:$port/rpc"

directory=$(curl -sS --max-time 60 "$url/path" | node -e '
  let text = ""; process.stdin.on("data", (d) => (text += d)).on("end", () => console.log(JSON.parse(text).directory))')
say "OpenCode at work; every tool call runs in the sandbox"
printf '%s\n' "$task" | node examples/opencode/run-task.mjs "$url" "$state/parts.jsonl" | tee "$state/run.txt"
session=$(tail -n 1 "$state/run.txt")
echo
say "The files are in the sandbox of session $session, in /workspace:"
build/sandbridge exec --session "$session" -- ls -l /workspace | tee "$state/files"
say "The host directory that OpenCode runs in, $directory:"
host_files=$(find "$directory" -mindepth 1 | head)
if [ -z "$host_files" ]; then echo "(empty)"; else echo "$host_files"; fi

if [ "$leave" = no ]; then
  trap - EXIT
  cat <<TXT

The server goes on running (process $bridge_pid, its log is $state/bridge.log). Attach to it with
    $opencode attach $url
and end it with
    kill $bridge_pid${model_pid:+ $model_pid}
TXT
  exit 0
fi

say "Checking"
checks=0
check() { # WHAT COMMAND...
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then echo "ok   $what"; else echo "FAIL $what"; checks=1; fi
}
ran() { grep -q "\"tool\":\"$1\"" "$state/parts.jsonl"; }
check "the host directory is still empty" test -z "$host_files"
check "leap.sh is in the sandbox" grep -q leap.sh "$state/files"
check "the test passes in the sandbox" build/sandbridge exec --session "$session" -- sh leap_test.sh
if [ -z "$model" ]; then
  for tool in write bash read edit glob grep; do check "OpenCode called $tool" ran "$tool"; done
  check "the test failed before the edit" grep -q 'FAIL 1900: want common, got leap' "$state/parts.jsonl"
  check "no tool call failed" test "$(grep -c '"status":"error"' "$state/parts.jsonl")" = 0
fi
curl -sS --max-time 60 -X DELETE "$url/session/$session" >/dev/null
gone() {
  local i
  for ((i = 0; i < 50; i++)); do
    build/sandbridge sessions --json | grep -q "$session" || return 0
    sleep 0.1
  done
  return 1
}
check "deleting the session removes its sandbox" gone
stop "$bridge_pid"
check "the bridge has ended" eval '! kill -0 $bridge_pid 2>/dev/null'
exit $checks
