#!/usr/bin/env bash
# The bridge and the cloud as processes of their own, with a key between them, as with TensorLake: where the key goes, what comes
# of it when one of the two dies or stays away, and that output arrives as it was. Prints one line a check and closing lines
# "N pass" and "N fail"; exits with 0 only without failures.
#
#   SANDBRIDGE_BINARY=build/sandbridge test/faults/bridge-and-cloud.sh
set -u
source "$(dirname "$0")/../checks.sh"
# Never in an argument list: there it would be found below.
key=tl_apiKey_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$key" >"$work/key"

# cloud NAME ADDRESS [OPTION...]: leaves its process in $NAME_cloud and its URL in $NAME_api
cloud() {
  local name=$1 address=$2
  shift 2
  : >"$work/$name-cloud"
  TENSORLAKE_API_KEY=$key "$binary" local-cloud --listen "$address" --dir "$work/$name" "$@" \
    >"$work/$name-cloud" 2>>"$work/log" &
  declare -g "${name}_cloud=$!"
  until_true grep -q ready "$work/$name-cloud" || echo "the cloud $name does not start: $(tail -n 3 "$work/log")"
  declare -g "${name}_api=$(grep -o 'http://[0-9.:]*' "$work/$name-cloud" | head -n 1)"
}
# bridge NAME [KEY]: of that cloud; leaves its process in $NAME_bridge and makes it the one that is used
bridge() {
  local name=$1 api=$1_api
  : >"$work/$name-bridge"
  TENSORLAKE_API_KEY=${2:-$key} TENSORLAKE_API_URL=${!api} TENSORLAKE_MEMORY_MB=512 TENSORLAKE_CPUS=1 \
    "$binary" serve --listen 127.0.0.1:0 --tensorlake >"$work/$name-bridge" 2>>"$work/log" &
  declare -g "${name}_bridge=$!"
  until_true grep -q ready "$work/$name-bridge" || echo "the bridge $name does not start: $(tail -n 3 "$work/log")"
  use "$name"
}
use() { export SANDBRIDGE_URL; SANDBRIDGE_URL=$(grep -o 'ws:[^ ]*' "$work/$1-bridge"); }
end() { kill -"$1" "$2" && wait "$2" 2>/dev/null; }

bash_tool() { # COMMAND: the output, exactly
  jq -cn --arg c "$1" '{command: $c, description: "test"}' | "$binary" tool bash --session demo - | jq -j .output
}
are_gone() {
  for process in "$@"; do [ ! -d "/proc/$process" ] || return 1; done
}
on_host() { [ "$(ps -eo args= | grep -cx "$1")" = "$2" ]; }

cleanup() {
  for name in main away slow; do
    local api=${name}_api process=${name}_cloud
    [ -n "${!api:-}" ] && [ -d "/proc/${!process}" ] || continue
    # Sandboxes outlive their server.
    for id in $(curl -s -H @<(printf 'Authorization: Bearer %s' "$key") "${!api}/v1/namespaces/default/sandboxes" |
      jq -r '.sandboxes[]? | .id // .sandbox_id'); do
      curl -s -o /dev/null -X DELETE -H @<(printf 'Authorization: Bearer %s' "$key") "${!api}/v1/namespaces/default/sandboxes/$id"
    done
  done
  for process in "${main_bridge:-}" "${away_bridge:-}" "${slow_bridge:-}" "${main_cloud:-}" "${away_cloud:-}" "${slow_cloud:-}"; do
    [ -n "$process" ] && kill "$process" 2>/dev/null && wait "$process" 2>/dev/null
  done
  rm -rf "$work"
}
trap cleanup EXIT

# Its control plane is away, as in a roll-out; looked at again at the end.
cloud away 127.0.0.1:0 --fault "outage=${OUTAGE:-8}"
bridge away
"$binary" exec --session demo -- sh -c 'echo x >>count; cat count' </dev/null >"$work/away-output" 2>&1 &
waiting=$!

cloud main 127.0.0.1:0
bridge main

check "a command runs in a cloud that asks for a key" "$(in_demo echo hello)" hello
check "a tool too" "$(bash_tool 'echo hello')" hello

# --- Output, exactly ---
exact() { # SENTENCE PRINTF-FORMAT
  # shellcheck disable=SC2059
  printf "$2" >"$work/wanted"
  # shellcheck disable=SC2016
  in_demo sh -c 'printf "$1"' sh "$2" >"$work/got"
  check "exec: $1" "$(od -An -c "$work/got")" "$(od -An -c "$work/wanted")"
  bash_tool "printf '$2'" >"$work/got"
  check "bash tool: $1" "$(od -An -c "$work/got")" "$(od -An -c "$work/wanted")"
}
exact "a last line without a newline" 'a\nb'
exact "a newline at the end" 'a\nb\n'
exact "several at the end" 'a\n\n\n'
exact "newlines at the start" '\n\na'
exact "carriage returns" 'a\r\nb\rc\r\n'
exact "tabs, blanks and a bare line" ' \t a  \n \n'
exact "text beyond ASCII" 'gr\303\274\303\237e \360\237\230\200\n'
in_demo printf 'a\377\376b\000c\n' >"$work/got"
printf 'a\377\376b\000c\n' >"$work/wanted"
check "exec passes bytes that are no text" "$(od -An -c "$work/got")" "$(od -An -c "$work/wanted")"
check "a tool replaces them, and the command goes on" "$(bash_tool "printf 'a\\377b\\n'; echo after")" \
  "$(printf 'a\357\277\275b\nafter')"
check "a line of megabytes is exact" "$(in_demo sh -c 'head -c 3000000 /dev/zero | tr "\0" x' | sha256sum)" \
  "$(head -c 3000000 /dev/zero | tr '\0' x | sha256sum)"
check "a million short lines are exact" "$(in_demo seq 1000000 | sha256sum)" "$(seq 1000000 | sha256sum)"
in_demo sh -c 'kill -9 $$'
check "death by a signal is 128 and the signal" $? 137

# --- The key ---
"$binary" exec --session demo -- sleep 7200 </dev/null &
sleeper=$!
until_true on_host 'sleep 7200' 1
# Of processes that end meanwhile there is nothing to read.
check "no argument list of this machine holds the key" "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -cFf "$work/key")" 0
holders=
for environment in /proc/[0-9]*/environ; do
  process=${environment#/proc/} process=${process%/environ}
  if cat "$environment" 2>/dev/null | tr '\0' '\n' | grep -qFf "$work/key"; then
    case $process in
      "$main_bridge" | "$main_cloud" | "$away_bridge" | "$away_cloud") ;;
      *) holders="$holders $process:$(tr '\0' ' ' <"/proc/$process/cmdline")" ;;
    esac
  fi
done
check "no environment holds it but the bridge's and the cloud's" "$holders" ""
# shellcheck disable=SC2016
check "the sandbox sees none of its processes with it" \
  "$(in_demo sh -c 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; env; cat /etc/* 2>/dev/null; ls -laR /workspace /tmp' 2>/dev/null |
    grep -acFf "$work/key")" 0
check "no file of the cloud or of the bridge's state holds it" \
  "$(grep -rlFf "$work/key" "$work/main" "$work/away" "$XDG_STATE_HOME" 2>/dev/null | head -n 3)" ""
kill -TERM $sleeper
wait $sleeper
check "the command that slept meanwhile was ended by its signal" $? 143

wrong=tl_apiKey_wrong_$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
right_bridge=$main_bridge
bridge main "$wrong"
in_demo true >"$work/refused" 2>&1
check "a wrong key is a failure" $? 1
holds "that names the variable" "$(cat "$work/refused")" TENSORLAKE_API_KEY
check "and not the key" "$(grep -c tl_apiKey "$work/refused")" 0
"$binary" tool bash --session demo '{"command":"true","description":"x"}' >"$work/refused" 2>&1
check "nor does a tool's error" "$(grep -c tl_apiKey "$work/refused")" 0
end TERM "$main_bridge"
main_bridge=$right_bridge
# The right bridge's address was overwritten with the wrong one's; start it anew.
end TERM "$main_bridge"
bridge main

# --- Deaths ---
"$binary" exec --session demo -- sh -c 'echo x >>killed; echo begun; sleep 3; echo y >>killed' \
  </dev/null >"$work/begun" 2>"$work/refused" &
client=$!
until_true grep -q begun "$work/begun"
end KILL "$main_bridge"
wait $client
check "a bridge that is killed under a command ends its client with a failure" $? 1
holds "that does not claim to know" "$(cat "$work/refused")" "may have been done"
bridge main
check "the command ran once" "$(in_demo sh -c 'sleep 3.5; grep -c x killed')" 1

end KILL "$main_cloud"
in_demo sh -c 'echo x >>refused; grep -c x refused' >"$work/refused" 2>&1 &
client=$!
sleep 1.5
cloud main "${main_api#http://}"
wait $client
check "a cloud that is killed and comes back is waited for, and the command runs once" "$(cat "$work/refused")" 1

# --- Ending a command over a slow line, while others are busy ---
cloud slow 127.0.0.1:0 --latency 50
bridge slow
in_demo true
busy=()
for n in 1 2 3 4 5 6; do
  (while [ ! -e "$work/enough" ]; do "$binary" exec --session "busy$n" -- sh -c 'seq 2000; :' </dev/null >/dev/null 2>&1; done) &
  busy+=($!)
done
for signal in INT TERM KILL; do
  "$binary" exec --session demo -- sh -c 'sleep 7301 & sleep 7302 & wait' </dev/null &
  client=$!
  until_true on_host 'sleep 7302' 1
  remote=$(ps -eo pid=,args= | awk '$2 == "sleep" && ($3 == 7301 || $3 == 7302) { print $1 }')
  kill -$signal $client
  begin=$(date +%s%N)
  until_true are_gone $remote
  check "a client that gets SIG$signal takes the remote process group along" $? 0
  echo "     it took $((($(date +%s%N) - begin) / 1000000)) ms at 50 ms each way, with six others busy"
  { wait $client; } 2>/dev/null
done
touch "$work/enough"
wait "${busy[@]}"

wait $waiting
check "a control plane that was away was waited for, and the command ran once" "$(cat "$work/away-output")" x
check "no log holds a key" "$(grep -c tl_apiKey "$work/log")" 0

finish
