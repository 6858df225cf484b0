#include "sandbox/command-script.h"

#include "base/error.h"
#include "base/json.h"
#include "sandbox/command-arguments.h"
#include "tools/shell-argv.h"

#include <kj/encoding.h>

#include <stdlib.h>

namespace sandbridge {

namespace {

using tensorlake::ProcessEvent;
using tensorlake::ProcessRequest;

constexpr size_t MAX_COMPLAINT = 2000;
// An exit code or a signal's number.
constexpr uint64_t MAX_STATUS = 255;

// $1 merge|split, $2 keep|null (standard input), $3 working directory, $4 directory to make or
// empty, $5 number of NAME=VALUE that follow; then the command
constexpr kj::StringPtr COMMAND_SCRIPT = R"sh(
# Without them output would be lost in silence.
for tool in base64 dd setsid; do
  command -v $tool >/dev/null || { echo "its image has no $tool" >&2; exit 1; }
done
merge=$1 input=$2 dir=$3
[ -z "$4" ] || [ -d "$4" ] || mkdir -p "$4" 2>/dev/null
if ! cd "$dir" 2>/dev/null; then
  if [ -d "$dir" ]; then echo 'w denied'; elif [ -e "$dir" ]; then echo 'w file'
  else echo 'w missing'; fi
  exit 0
fi
n=$5; shift 5
[ "$n" -eq 0 ] || set -- env "$@"
if base64 -w0 </dev/null >/dev/null 2>&1; then
  encode() { base64 -w0; }
else
  encode() { base64 | tr -d '\n'; }
fi
chunks() {
  i=0
  while c=$(dd bs=32768 count=1 2>/dev/null | encode) && [ -n "$c" ]; do
    printf 'd %s %s\n' $i "$c"; i=$((i + 1))
  done
  printf 'e %s\n' $i
}
read -r mark </proc/sys/kernel/random/uuid || mark=$$
leader='printf "p %s\n" $$ >&3
exec 5>&2 2>/dev/null
trap : HUP INT QUIT TERM USR1 USR2
( exec 2>&5 3>&- 4>&- 5>&-; exec "$@" )
s=$?
[ $s -eq 0 ] || kill -TERM -$$
printf "%s %s\n" $s $$ >&4'
exec 3>&1
group() {
  exec 8>&2 2>/dev/null
  ( exec 2>&8 8>&-; [ "$input" = keep ] || exec </dev/null
    export SANDBRIDGE_COMMAND="$mark"; exec setsid sh -c "$leader" sh "$@" )
  s=$?; [ $s -le 128 ] || printf '%s\n' $s >&4
}
if [ "$merge" = merge ]; then
  s=$( { group "$@" 2>&1 | chunks >&3; } 4>&1 )
else
  exec 7>&2
  s=$( { { group "$@" 2>&1 >&5 5>&- 6>&- 7>&- | chunks >&6; } 5>&1 6>&7 | chunks >&3; } 4>&1 )
fi
set -- $s
# Whether the command, with status $1 and process group $2, has left something in the background, in its group or out of it.
left() {
  { [ "$1" = 0 ] && [ -n "$2" ] && kill -0 "-$2" 2>/dev/null; } ||
    grep -qs "SANDBRIDGE_COMMAND=$mark" /proc/[0-9]*/environ 2>/dev/null
}
! left "$@" || echo b
printf 'x %s\n' "$1"
# It would end with this script.
exec 3>&- 7>&- >/dev/null 2>&1 </dev/null
# A process shows no environment while it begins a program: one look alone proves nothing.
lives() {
  for pause in 0 0.1 0.4; do
    sleep $pause || sleep 1
    ! left "$@" || return 0
  done
  return 1
}
while lives "$@"; do sleep 1; done
)sh"_kj;

// $1 root  $2 script, then its arguments
constexpr kj::StringPtr SCRIPT_SCRIPT = R"sh(
[ -d "$1" ] || mkdir -p "$1" 2>/dev/null
cd "$1" 2>/dev/null || cd /
script=$2; shift 2
encode() { base64 -w 61440 2>/dev/null || base64 || echo fail >&4; }
exec 3>&1 6>&2
s=$( { { { ( exec 3>&- 4>&- 6>&- </dev/null; eval "$script" ); echo $? >&4; } 2>&1 >&5 5>&- | encode >&6; } 5>&1 | encode >&3; } 4>&1 )
case $s in *fail*) s=fail ;; esac
printf 'x %s\n' $s
)sh"_kj;

// $1 process group  $2 signal
constexpr kj::StringPtr SIGNAL_SCRIPT = R"sh(kill "-$2" "-$1" 2>/dev/null; exit 0)sh"_kj;

// $1 process group
constexpr kj::StringPtr END_SCRIPT = R"sh(
kill -TERM "-$1" 2>/dev/null || exit 0
i=0
while [ $i -lt 60 ] && kill -0 "-$1" 2>/dev/null; do
  sleep 0.05 2>/dev/null || { sleep 1; i=$((i + 19)); }
  i=$((i + 1))
done
kill -KILL "-$1" 2>/dev/null
exit 0
)sh"_kj;

ProcessRequest shell(kj::StringPtr script, kj::Vector<kj::String> args) {
  kj::Vector<kj::String> all(args.size() + 3);
  all.add(kj::str("-c"));
  all.add(kj::heapString(script));
  all.add(kj::str("sh"));
  for (auto& arg : args) all.add(kj::mv(arg));
  ProcessRequest request;
  request.command = kj::str("sh");
  request.args = all.releaseAsArray();
  // The one directory that every image has: the script goes to the right one itself, and can tell
  // when it is missing.
  request.workingDir = kj::str("/");
  return request;
}

// The number after the letter and the blank; none if it is not one.
kj::Maybe<uint64_t> number(kj::StringPtr text, size_t from, size_t* end) {
  uint64_t value = 0;
  size_t i = from;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && i < from + 18; ++i) {
    value = value * 10 + (text[i] - '0');
  }
  *end = i;
  if (i == from) return nullptr;
  return value;
}

bool isHex(kj::StringPtr text) {
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

}  // namespace

ProcessRequest commandRequest(const WorkspaceCommand& command, kj::StringPtr workdir,
                              kj::StringPtr root) {
  checkCommand(command, workdir);
  kj::Vector<kj::String> args;
  args.add(kj::str(command.mergeStderr ? "merge" : "split"));
  args.add(kj::str(command.keepStdin ? "keep" : "null"));
  args.add(kj::heapString(workdir));
  args.add(kj::heapString(workdir == root ? root : ""_kj));
  args.add(kj::str(command.environment.size()));
  for (auto& variable : command.environment) {
    args.add(kj::str(variable.name, "=", variable.value));
  }
  for (auto& arg : shellArgv(command)) args.add(kj::mv(arg));
  auto request = shell(COMMAND_SCRIPT, kj::mv(args));
  request.pipeStdin = command.keepStdin;
  return request;
}

ProcessRequest scriptRequest(kj::StringPtr script, kj::ArrayPtr<const kj::String> scriptArgs,
                             kj::StringPtr root) {
  kj::Vector<kj::String> args;
  args.add(kj::heapString(root));
  args.add(kj::heapString(script));
  for (auto& arg : scriptArgs) args.add(kj::heapString(arg));
  return shell(SCRIPT_SCRIPT, kj::mv(args));
}

ProcessRequest signalRequest(uint32_t group, int number) {
  checkSignal(number);
  kj::Vector<kj::String> args;
  args.add(kj::str(group));
  args.add(kj::str(number));
  return shell(SIGNAL_SCRIPT, kj::mv(args));
}

ProcessRequest endRequest(uint32_t group) {
  kj::Vector<kj::String> args;
  args.add(kj::str(group));
  return shell(END_SCRIPT, kj::mv(args));
}

CommandOutput::Step CommandOutput::take(const ProcessEvent& event) {
  Step step;
  if (event.kind != ProcessEvent::STDOUT_LINE && event.kind != ProcessEvent::STDERR_LINE)
    return step;
  bool isError = event.kind == ProcessEvent::STDERR_LINE;
  auto& line = event.line;
  size_t end = 0;
  char tag = line.size() >= 3 && line[1] == ' ' ? line[0] : '\0';

  if (tag == 'd' || tag == 'e') {
    auto& stream = isError ? err : out;
    KJ_IF_MAYBE (n, number(line, 2, &end)) {
      if (*n < stream.next || stream.ended) return step;
      if (*n > stream.next) {
        throwError(ErrorKind::INTERRUPTED,
                   "part of the command's output was lost on its way; the command may have ended.");
      }
      if (tag == 'e') {
        stream.ended = true;
        return step;
      }
      auto bytes =
          kj::decodeBase64(line.asArray().slice(kj::min(end + 1, line.size()), line.size()));
      if (bytes.hadErrors) {
        throwError(
            ErrorKind::INTERRUPTED,
            "part of the command's output was garbled on its way; the command may have ended.");
      }
      ++stream.next;
      stream.bytes += bytes.size();
      step.kind = isError ? STDERR : STDOUT;
      step.bytes = kj::mv(bytes);
      return step;
    }
  } else if (!isError && tag == 'p') {
    KJ_IF_MAYBE (n, number(line, 2, &end)) {
      // 0 and 1 would name other groups than the command's own.
      // Told again to who asks again.
      if (pid != 0) return step;
      if (*n > 1 && *n <= 0x7fffffff) {
        pid = static_cast<uint32_t>(*n);
        if (line.size() == end + 17 && isHex(line.slice(end + 1))) {
          keeperNumber = kj::heapString(line.slice(end + 1));
        }
        step.kind = STARTED;
        return step;
      }
    }
  } else if (!isError && tag == 'i') {
    KJ_IF_MAYBE (n, number(line, 2, &end)) {
      taken = kj::max(taken, *n);
      step.kind = INPUT_TAKEN;
      return step;
    }
  } else if (!isError && tag == 'w') {
    step.kind = NO_WORKDIR;
    step.word = kj::heapString(line.slice(2));
    return step;
  } else if (!isError && (tag == 'x' || tag == 'k')) {
    // What no process can have is nobody's status: cut to fit, 2^32 would read as success.
    auto status = number(line, 2, &end);
    KJ_IF_MAYBE (n, status.orDefault(MAX_STATUS + 1) <= MAX_STATUS ? status : nullptr) {
      exit.kind = tag == 'x' ? ExitStatus::EXITED : ExitStatus::SIGNALED;
      exit.value = static_cast<unsigned>(*n);
      ended = true;
      step.kind = ENDED;
      return step;
    }
  }
  if (!isError && line.size() == 1) {
    switch (line[0]) {
      case 'b': left = true; return step;
      case 'n': step.kind = NO_KEEPER; return step;
      case 'r': step.kind = NOT_KEPT; return step;
      case 'f': step.kind = NOT_STARTED; return step;
      case 'l': step.kind = KEEPER_DIED; return step;
    }
  }
  if (said.size() < MAX_COMPLAINT) {
    auto head = line.slice(0, kj::min(line.size(), MAX_COMPLAINT));
    said = toValidUtf8(kj::str(said, said.size() > 0 ? " " : "", head));
  }
  return step;
}

kj::Maybe<kj::StringPtr> CommandOutput::keeper() const {
  if (keeperNumber.size() == 0) return nullptr;
  return kj::StringPtr(keeperNumber);
}

kj::Maybe<ExitStatus> CommandOutput::status() const {
  if (!ended) return nullptr;
  return exit;
}

}  // namespace sandbridge
