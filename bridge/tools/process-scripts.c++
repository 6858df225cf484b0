#include "tools/process-scripts.h"

#include "base/coroutine.h"
#include "base/ids.h"
#include "tools/limits.h"

#include <charconv>

namespace sandbridge {

namespace {

// Not in the workspace, which is the user's. One folder a workspace.
constexpr kj::StringPtr DIRECTORY = "/tmp/.sandbridge/processes-"_kj;

// Begins each script. Only what any POSIX shell, busybox and /proc have.
constexpr kj::StringPtr COMMON = R"sh(
base=$1
nap() { sleep 0.05 2>/dev/null || sleep 1; }

# Whether the process runs that file $1 names by PID and start time.
is_alive() {
  { read -r pid start group <"$1" && read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return 1
  set -- ${stat##*) }
  [ "${20}" = "$start" ]
}

# Sets begin and end, the bytes of output of the process in $d that are kept.
measure() {
  begin= end=0
  for file in "$d"/out.*; do
    at=${file##*.}
    size=$(wc -c 2>/dev/null <"$file") || continue
    if [ -z "$begin" ] || [ "$at" -lt "$begin" ]; then begin=$at; fi
    if [ $((at + size)) -gt "$end" ]; then end=$((at + size)); fi
  done
  begin=${begin:-0}
}

# Waits until there is more output than $1 bytes, if that is given, or the process has ended, $2 ms at most.
await() {
  naps=$(($2 / 50))
  while [ "$naps" -gt 0 ] && [ ! -e "$d/status" ] && is_alive "$d/keeper"; do
    if [ -n "$1" ]; then
      measure
      [ "$end" -le "$1" ] || return 0
    fi
    nap
    naps=$((naps - 1))
  done
}

# Prints the record of the process in $d, with its output from byte $1 on, "" for the last ones, $2 bytes at most.
report() {
  code=0
  if { read -r code <"$d/status"; } 2>/dev/null; then state=ended
  elif is_alive "$d/keeper"; then state=running
  else state=lost
  fi
  measure
  from=${1:-$((end - $2))}
  [ "$from" -ge "$begin" ] || from=$begin
  [ "$from" -le "$end" ] || from=$end
  last=$end
  [ $((last - from)) -le "$2" ] || last=$((from + $2))
  { read -r started <"$d/started"; } 2>/dev/null || started=0
  printf 'p %s %s %s %s %s %s %s %s %s %s\n' "${d##*/}" "$state" "$code" "$begin" "$from" "$end" "$started" \
    $(wc -c <"$d/command") $(wc -c <"$d/workdir") "$((last - from))"
  cat "$d/command" "$d/workdir"
  while [ "$from" -lt "$last" ]; do
    next=$from
    for file in "$d"/out.*; do
      at=${file##*.}
      size=$(wc -c 2>/dev/null <"$file") || continue
      if [ "$at" -le "$from" ] && [ "$from" -lt $((at + size)) ]; then
        next=$((at + size))
        [ "$next" -le "$last" ] || next=$last
        tail -c +$((from - at + 1)) "$file" | head -c $((next - from))
        break
      fi
    done
    [ "$next" -gt "$from" ] || break
    from=$next
  done
  echo
}

report_ports() {
  for table in /proc/net/tcp /proc/net/tcp6; do
    { while read -r _ address _ state _; do
      [ "$state" != 0A ] || printf 'l %s\n' "$((0x${address##*:}))"
    done <"$table"; } 2>/dev/null
  done
}

# Sets d, the folder of process $1.
find_process() {
  d=$base/$1
  [ -e "$d/started" ] || exit 24
}
)sh"_kj;

// Runs script $1. Bash, where there is one, gives a job a process group of its own and lets it hear SIGINT; other shells do so
// only with a terminal, and without one the job is in the group of this script, which nobody else is in when it has ended.
constexpr kj::StringPtr IN_BASH = R"sh(
script=$1
shift
if command -v bash >/dev/null 2>&1; then exec bash -c "$script" sh "$@"; fi
exec sh -c "$script" sh "$@"
)sh"_kj;

constexpr kj::StringPtr START = R"sh(
workdir=$2 command=$3 wait=$4
# Some shells complain, and do without.
set -m 2>/dev/null
cd "$workdir" 2>/dev/null || exit 21
mask=$(umask)
umask 077
mkdir -p "$base" || exit 20

last=0 running=0
for d in "$base"/[0-9]*; do
  [ -e "$d/started" ] || continue
  n=${d##*/}
  [ "$n" -le "$last" ] || last=$n
  if [ ! -e "$d/status" ] && is_alive "$d/keeper"; then running=$((running + 1)); fi
done
[ "$running" -lt "$most" ] || exit 23
for d in "$base"/[0-9]*; do
  [ -d "$d" ] || continue
  n=${d##*/}
  if [ "$n" -le $((last - most)) ] && { [ -e "$d/status" ] || ! is_alive "$d/keeper"; }; then rm -rf "$d"; fi
done
number=$((last + 1))
until mkdir "$base/$number" 2>/dev/null; do
  number=$((number + 1))
  [ "$number" -le $((last + 100)) ] || exit 20
done
d=$base/$number
mkfifo "$d/in" && printf %s "$command" >"$d/command" && printf %s "$workdir" >"$d/workdir" &&
  date +%s >"$d/began" || { rm -rf "$d"; exit 20; }

# Writes PID, start time and process group of the shell that calls it to file $1.
sign() {
  read -r stat </proc/self/stat
  pid=${stat%% *}
  set -- "$1" ${stat##*) }
  echo "$pid ${21} $4" >"$1.new" && mv "$1.new" "$1"
}

keep_output() {
  # What ends the command does not end this: the last that it prints counts.
  trap '' TERM INT HUP
  at=0 before=
  while dd bs=16384 count=1024 of="$d/out.$at" 2>/dev/null; do
    size=$(wc -c <"$d/out.$at")
    [ "$size" -gt 0 ] || break
    [ -z "$before" ] || rm -f "$d/out.$before"
    before=$at at=$((at + size))
  done
  # The disk is full: the command does not wait for that.
  cat >/dev/null
  : >"$d/eof"
}

run_command() {
  trap : TERM INT HUP
  sign "$d/keeper"
  shell=/bin/bash
  [ -x "$shell" ] || shell=$(command -v bash) || shell=/bin/sh
  (
    umask "$mask"
    OPENCODE=1
    export OPENCODE
    exec "$shell" -c "$command" <"$d/in" 2>&1
  )
  code=$?
  exec >/dev/null
  naps=20
  while [ ! -e "$d/eof" ] && [ "$naps" -gt 0 ]; do
    nap
    naps=$((naps - 1))
  done
  echo "$code" >"$d/status.new" && mv "$d/status.new" "$d/status"
  if is_alive "$d/holder"; then kill "$pid"; fi
}

hold_input() {
  exec <>"$d/in"
  sign "$d/holder"
  exec sleep 2147483647
}

(
  trap : TERM INT HUP
  hold_input &
  run_command | keep_output
) </dev/null >/dev/null 2>&1 &

naps=100
while [ ! -e "$d/keeper" ] && [ "$naps" -gt 0 ]; do
  nap
  naps=$((naps - 1))
done
{ read -r pid start group <"$d/keeper"; } 2>/dev/null || { rm -rf "$d"; exit 20; }
# A signal to a group that is not its own would reach others.
read -r stat <"/proc/$$/stat"
set -- ${stat##*) }
case $group in "$3" | "$!") ;; *) kill "$pid" "$!"; rm -rf "$d"; exit 22 ;; esac
mv "$d/began" "$d/started"
await '' "$wait"
report 0 "$most_output"
report_ports
)sh"_kj;

constexpr kj::StringPtr OUTPUT = R"sh(
find_process "$2"
if [ "$4" -gt 0 ]; then
  from=$3
  if [ -z "$from" ]; then
    measure
    from=$end
  fi
  await "$from" "$4"
fi
report "$3" "$most_output"
report_ports
)sh"_kj;

constexpr kj::StringPtr INPUT = R"sh(
find_process "$2"
[ ! -e "$d/status" ] && is_alive "$d/keeper" && is_alive "$d/holder" || exit 25
measure
before=$end
if [ -n "$3" ]; then
  # A command that does not read must not hold this up for long.
  { printf %s "$3" >"$d/in"; } 2>/dev/null &
  writer=$!
  naps=100
  while kill -0 "$writer" 2>/dev/null && [ "$naps" -gt 0 ]; do
    nap
    naps=$((naps - 1))
  done
  if kill "$writer" 2>/dev/null; then exit 25; fi
fi
if [ -n "$4" ] && is_alive "$d/holder"; then kill "$pid"; fi
await "$before" "$5"
report "$before" "$most_output"
report_ports
)sh"_kj;

constexpr kj::StringPtr KILL = R"sh(
find_process "$2"
measure
before=$end
if [ ! -e "$d/status" ] && is_alive "$d/keeper"; then
  kill -TERM "-$group"
  await '' 3000
  kill -KILL "-$group" 2>/dev/null
  [ -e "$d/status" ] || echo 137 >"$d/status"
fi
report "$before" "$most_output"
report_ports
)sh"_kj;

constexpr kj::StringPtr LIST = R"sh(
for d in "$base"/[0-9]*; do
  [ ! -e "$d/started" ] || report 0 0
done
report_ports
exit 0
)sh"_kj;

constexpr kj::StringPtr PORTS = R"sh(
report_ports
exit 0
)sh"_kj;

[[noreturn]] void throwGarbled() {
  throwError(ErrorKind::FAILED, "the sandbox told nothing that can be understood of its processes.");
}

// What a script prints.
class Printed final : public OutputReceiver {
 public:
  kj::Promise<void> stdoutChunk(Bytes bytes) override { return add(output, bytes); }
  kj::Promise<void> stderrChunk(Bytes bytes) override { return add(errorOutput, bytes); }

  Workspace::Captured finish(ExitStatus status) {
    return {status, output.releaseAsArray(), errorOutput.releaseAsArray()};
  }

 private:
  static constexpr size_t LIMIT = 1u << 20;
  kj::Vector<kj::byte> output, errorOutput;

  static kj::Promise<void> add(kj::Vector<kj::byte>& to, Bytes bytes) {
    if (to.size() + bytes.size() > LIMIT) throwGarbled();
    to.addAll(bytes);
    return kj::READY_NOW;
  }
};

// A command, and not a script like the others: what a script starts need not outlive it.
kj::Promise<Workspace::Captured> startInBash(ToolContext& context, kj::Array<kj::String> args) {
  WorkspaceCommand command;
  kj::Vector<kj::String> argv(args.size() + 4);
  for (auto word : {"sh"_kj, "-c"_kj, IN_BASH, "sh"_kj}) argv.add(kj::str(word));
  for (auto& arg : args) argv.add(kj::mv(arg));
  command.argv = argv.releaseAsArray();
  Printed printed;
  auto process = co_await context.workspace.start(kj::mv(command), printed);
  co_return printed.finish(co_await process->wait());
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest(text) {}

  bool atEnd() const { return rest.empty(); }
  char letter() {
    if (rest.size() < 2 || rest[1] != ' ') throwGarbled();
    char c = rest[0];
    rest.remove_prefix(2);
    return c;
  }
  std::string_view word() {
    auto end = rest.find_first_of(" \n");
    if (end == std::string_view::npos) throwGarbled();
    auto result = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return result;
  }
  uint64_t number() {
    auto text = word();
    uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) throwGarbled();
    return value;
  }
  std::string bytes(uint64_t size) {
    if (size > rest.size()) throwGarbled();
    std::string result(rest.substr(0, size));
    rest.remove_prefix(size);
    return result;
  }

 private:
  std::string_view rest;
};

}  // namespace

kj::Promise<Workspace::Captured> runProcessScript(ToolContext& context, ProcessScript script,
                                                  kj::Array<kj::String> args) {
  auto text = [&]() {
    switch (script) {
      case ProcessScript::START:
        return START;
      case ProcessScript::OUTPUT:
        return OUTPUT;
      case ProcessScript::INPUT:
        return INPUT;
      case ProcessScript::KILL:
        return KILL;
      case ProcessScript::LIST:
        return LIST;
      case ProcessScript::PORTS:
        return PORTS;
    }
    KJ_UNREACHABLE;
  }();
  auto whole = kj::str("most=", MAX_PROCESSES, " most_output=", PROCESS_OUTPUT, COMMON, text);
  kj::Vector<kj::String> all;
  bool inBash = script == ProcessScript::START;
  if (inBash) all.add(kj::str(whole));
  all.add(kj::str(DIRECTORY, sha256Hex(context.workspace.root()).slice(0, 16)));
  for (auto& arg : args) all.add(kj::mv(arg));
  if (inBash) {
    auto late = context.timer.afterDelay(SCRIPT_SECONDS * kj::SECONDS).then([]() -> kj::Promise<Workspace::Captured> {
      return makeError(ErrorKind::FAILED, kj::str("The sandbox did not start the process within ", SCRIPT_SECONDS, " seconds."));
    });
    return startInBash(context, all.releaseAsArray()).exclusiveJoin(kj::mv(late));
  }
  // The pointer to the text is needed no longer than for the call.
  return look(context, whole, all.releaseAsArray());
}

ProcessReport parseProcessReport(std::string_view text) {
  ProcessReport report;
  std::set<uint16_t> ports;
  for (Reader reader(text); !reader.atEnd();) {
    char kind = reader.letter();
    if (kind == 'l') {
      ports.insert(static_cast<uint16_t>(reader.number()));
      continue;
    }
    if (kind != 'p') throwGarbled();
    ProcessReport::Process process;
    process.number = reader.number();
    auto state = reader.word();
    process.state = state == "running" ? ProcessReport::Process::RUNNING
                    : state == "ended" ? ProcessReport::Process::ENDED
                                       : ProcessReport::Process::LOST;
    process.code = reader.number();
    process.begin = reader.number();
    process.from = reader.number();
    process.end = reader.number();
    process.started = reader.number();
    auto commandSize = reader.number(), workdirSize = reader.number(), outputSize = reader.number();
    process.command = reader.bytes(commandSize);
    process.workdir = reader.bytes(workdirSize);
    process.output = reader.bytes(outputSize);
    if (reader.bytes(1) != "\n") throwGarbled();
    report.processes.push_back(std::move(process));
  }
  report.ports.assign(ports.begin(), ports.end());
  return report;
}

}  // namespace sandbridge
