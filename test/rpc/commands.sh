#!/usr/bin/env bash
# The commands of the real binary on real local sandboxes, as a shell sees them. Prints one line a check and
# closing lines "N pass" and "N fail"; exits with 0 only without failures.
#
#   SANDBRIDGE_BINARY=build/sandbridge test/rpc/commands.sh
set -u
source "$(dirname "$0")/../checks.sh"
bridge= port=0

start() {
  : >"$work/out"
  "$binary" serve --listen "127.0.0.1:$port" "$@" >"$work/out" 2>>"$work/log" &
  bridge=$!
  until_true grep -q '^sandbridge ready' "$work/out"
  SANDBRIDGE_URL=$(sed -n 's/^sandbridge ready \(ws:[^ ]*\) .*/\1/p' "$work/out")
  export SANDBRIDGE_URL
  port=${SANDBRIDGE_URL##*:} port=${port%/rpc}
}

stop() { # SIGNAL: leaves the bridge's exit code in $code
  kill "-$1" "$bridge"
  wait "$bridge" 2>/dev/null
  code=$?
  bridge=
}

# How many processes of the sandbox have this command line.
running() {
  in_demo sh -c 'n=0; for p in /proc/[0-9]*/cmdline; do
    [ "$(tr "\0" " " <"$p" 2>/dev/null)" = "$1 " ] && n=$((n + 1)); done; echo $n' sh "$1"
}
is_running() { [ "$(running "$1")" = 1 ]; }
is_gone() { [ "$(running "$1")" = 0 ]; }

cleanup() {
  if [ -z "$bridge" ]; then start; fi
  "$binary" delete --session demo
  stop TERM
  rm -rf "$work"
}
trap cleanup EXIT

"$binary" exec --session demo </dev/null 2>"$work/err"
check "a usage error exits with 2" $? 2
"$binary" serve --listen 0.0.0.0:0 2>"$work/err"
check "a reachable address without a token file is refused" $? 2
holds "and says what to do" "$(cat "$work/err")" "--token-file"
TENSORLAKE_API_KEY='' "$binary" serve --tensorlake 2>"$work/err"
check "TensorLake without a key is refused" $? 2
"$binary" local-cloud --fault sttus=503 2>"$work/err"
check "a fault that is none is refused" $? 2
holds "and the wrong word named" "$(cat "$work/err")" "sttus: there is no such word"
"$binary" serve --latency soon 2>"$work/err"
check "a latency is a number" $? 2
TENSORLAKE_API_KEY=key "$binary" serve --listen 127.0.0.1:0 --fault reset=after 2>"$work/err"
check "TensorLake is not shaped" $? 2
"$binary" sessions 2>"$work/err"
check "without a token a client exits with 1" $? 1
holds "and says where one comes from" "$(cat "$work/err")" "sandbridge serve"

start
check "the ready line says where the sandboxes are" "$(cat "$work/out")" \
  "sandbridge ready ws://127.0.0.1:$port/rpc (local sandboxes in $XDG_STATE_HOME/sandbridge/local)"
check "the token file is private" "$(stat -c %a "$XDG_STATE_HOME/sandbridge/token")" 600
"$binary" serve --listen "127.0.0.1:$port" --local "$work/other" 2>"$work/err"
check "an address in use is refused" $? 1
holds "in words" "$(cat "$work/err")" "is in use"

check "exec prints" "$(in_demo echo hello)" hello
check "exec starts in the workspace" "$(in_demo pwd)" /workspace
check "exec starts where it is told" "$("$binary" exec --session demo --workdir /tmp -- pwd </dev/null)" /tmp
check "stderr stays apart" "$(in_demo sh -c 'echo out; echo err >&2' 2>"$work/err")" out
check "and arrives" "$(cat "$work/err")" err
in_demo sh -c 'exit 7'
check "the exit code comes through" $? 7
in_demo sh -c 'kill -9 $$'
check "a signal's number comes through" $? 137
"$binary" exec --session demo --timeout 0.3 -- sleep 20 </dev/null
check "a timeout is 124" $? 124
in_demo no-such-program 2>/dev/null
check "a missing program is 127" $? 127
"$binary" exec --session demo --workdir /nowhere -- pwd </dev/null 2>"$work/err"
check "a missing directory is 1" $? 1
holds "and named" "$(cat "$work/err")" /nowhere
# shellcheck disable=SC2016
check "words are data" "$(in_demo printf '%s|' '$(id)' "a'b" '; ls' '' '-x' '*')" "\$(id)|a'b|; ls||-x|*|"
head -c 3000000 /dev/urandom >"$work/random"
check "bytes are exact from a file" "$("$binary" exec --session demo -- cat <"$work/random" | sha256sum)" \
  "$(sha256sum <"$work/random")"
# shellcheck disable=SC2002
check "bytes are exact from a pipe" "$(cat "$work/random" | "$binary" exec --session demo -- cat | sha256sum)" \
  "$(sha256sum <"$work/random")"
in_demo yes 2>"$work/err" | head -n 1 >/dev/null
check "a closed pipe ends it as SIGPIPE would" "${PIPESTATUS[0]}" 141
check "without a word" "$(cat "$work/err")" ""
until_true is_gone yes
check "and ends the remote command" $? 0

# Background commands of a script ignore SIGINT; exec does not.
for signal in INT:130 TERM:143 HUP:129; do
  "$binary" exec --session demo -- sleep 7001 </dev/null &
  client=$!
  until_true is_running 'sleep 7001'
  kill "-${signal%:*}" $client
  wait $client
  check "SIG${signal%:*} goes to the remote group" $? "${signal#*:}"
done
"$binary" exec --session demo -- sleep 7002 </dev/null &
client=$!
until_true is_running 'sleep 7002'
kill -9 $client
wait $client 2>/dev/null
until_true is_gone 'sleep 7002'
check "a client that is killed takes the remote command along" $? 0

check "a tool's result is one JSON object" \
  "$("$binary" tool write --session demo '{"filePath":"/workspace/a.txt","content":"one\ntwo\n"}' |
    jq -r 'keys_unsorted | join(" ")')" "title output metadata attachments"
check "its arguments may come from standard input" \
  "$(echo '{"command":"cat a.txt","description":"x"}' | "$binary" tool bash --session demo - | jq -r .output)" \
  $'one\ntwo'
"$binary" tool read --session demo '{"filePath":"/workspace/none"}' >"$work/tool"
check "a tool that fails exits with 1" $? 1
check "and prints its error" "$(jq -r 'keys | join(" ")' "$work/tool")" error
check "a sub-agent's session shares the sandbox" \
  "$("$binary" exec --session kid --parent demo -- cat a.txt </dev/null | head -n 1)" one
check "sessions prints JSON lines" "$("$binary" sessions | jq -r '.sandboxName + " " + .status')" \
  "opencode-demo running"

# shellcheck disable=SC2016
init=$(in_demo sh -c 'tr "\0" " " </proc/1/cmdline')
kill -9 "$(ps -eo pid=,args= | awk -v init="${init% }" '{ pid = $1; $1 = ""; if ($0 == " " init) print pid }')"
check "a sandbox whose processes are killed from outside is started again" "$(in_demo head -n 1 a.txt 2>&1)" one

"$binary" exec --session demo -- sh -c 'echo started; exec sleep 7004' </dev/null >"$work/started" 2>"$work/err" &
client=$!
until_true grep -q started "$work/started"
stop KILL
wait $client
check "a bridge that dies under a command ends its client with 1" $? 1
holds "which says that the outcome is not known" "$(cat "$work/err")" "what was asked for may have been done"
"$binary" exec --session demo -- true </dev/null 2>"$work/err"
check "with the bridge down a client exits with 1" $? 1
holds "and names the next step" "$(cat "$work/err")" "start one with \`sandbridge serve\`"
start
check "after kill -9 of the bridge the files are there" "$(in_demo head -n 1 a.txt)" one
in_demo sh -c 'setsid sleep 7003 >/dev/null 2>&1 </dev/null &'
stop TERM
check "TERM ends the bridge with 0" $code 0
start
check "background processes outlive the bridge" "$(running 'sleep 7003')" 1
"$binary" suspend --session demo
check "suspend succeeds" $? 0
check "and shows" "$("$binary" sessions | jq -r .status)" suspended
check "the next use resumes it" "$(in_demo head -n 1 a.txt)" one
"$binary" resume --session demo
check "resume succeeds" $? 0
"$binary" delete --session demo
check "delete succeeds" $? 0
"$binary" delete --session demo
check "and again" $? 0
check "then there is no session" "$("$binary" sessions)" ""
check "and its sandbox's files are gone" "$(in_demo ls)" ""

stop INT
check "INT ends the bridge with 0" $code 0
start --latency 20 --fault status=503:SANDBOX_NOT_READY,path=/processes,count=2 --fault reset=after,path=/stdin,count=1
check "local sandboxes work behind latency and faults" "$(in_demo sh -c 'echo once >>marks; cat marks')" once
echo in | "$binary" exec --session demo -- sh -c 'cat >>marks' 2>"$work/err"
check "input whose answer is lost is an error" $? 1
holds "with an unknown outcome" "$(cat "$work/err")" "not known"
check "and arrives at most once" "$(in_demo grep -c in marks)" 1
stop TERM
SANDBRIDGE_TOKEN=wrong-wrong-wrong-wrong
start
SANDBRIDGE_TOKEN=$SANDBRIDGE_TOKEN "$binary" sessions 2>"$work/err"
check "a wrong token exits with 1" $? 1
holds "in words" "$(cat "$work/err")" "refuses the token"
unset SANDBRIDGE_TOKEN
check "no token is in the log" "$(grep -c "$(cat "$XDG_STATE_HOME/sandbridge/token")" "$work/log")" 0

finish
