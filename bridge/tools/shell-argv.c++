#include "tools/shell-argv.h"

#include <kj/debug.h>
#include <kj/vector.h>

namespace sandbridge {

namespace {

constexpr kj::StringPtr SHELL_SCRIPT = R"sh(
shell=/bin/bash
[ -x "$shell" ] || shell=$(command -v bash) || shell=/bin/sh
exec "$shell" "$@"
)sh"_kj;

// Runs $1 in the shell, both outputs through one pipe. A copy goes to file $2, which stays if it has
// more than $3 lines or $4 bytes; it grows to $5 blocks of 512 bytes at most. The copying tee
// outlives the signals that end the command, so what it prints while dying is not lost. If the copy
// is incomplete, $6 is printed at the end. After a command that failed, what it left in the
// background is ended, as OpenCode does. Copies last for seven days.
constexpr kj::StringPtr COPY_SCRIPT = R"sh(
command=$1 file=$2 lines=$3 bytes=$4 blocks=$5 notice=$6
shell=/bin/bash
[ -x "$shell" ] || shell=$(command -v bash) || shell=/bin/sh
[ -d "${file%/*}" ] || (umask 077 && mkdir -p "${file%/*}") 2>/dev/null
exec 4>&1
status=$( {
  {
    exec 2>/dev/null  # where sh says that a signal ended the command
    (exec "$shell" -c "$command" </dev/null 2>&1 3>&- 4>&-)
    echo $? >&3
  } |
  (
    trap '' TERM INT HUP XFSZ
    umask 077
    ulimit -f "$blocks" 2>/dev/null
    tee -- "$file" 2>/dev/null 3>&- || printf '%s' "$notice"
  ) >&4 4>&-
} 3>&1 )
exec 4>&-
if [ -f "$file" ]; then
  set -- $(wc -lc <"$file")
  if [ "$1" -le "$lines" ] && [ "$2" -le "$bytes" ]; then rm -f -- "$file"
  else find "${file%/*}" -type f -mtime +7 -exec rm -f {} + 2>/dev/null
  fi
fi
if [ "$status" != 0 ]; then
  read -r stat </proc/$$/stat && set -- $stat
  if [ "$5" = $$ ]; then
    trap '' TERM
    kill -TERM 0
  fi
fi
exit "${status:-143}"
)sh"_kj;

constexpr uint64_t BLOCK = 512;

}  // namespace

kj::Array<kj::String> shellArgv(const WorkspaceCommand& command) {
  KJ_IF_MAYBE (copy, command.copy) {
    KJ_REQUIRE(command.inShell && command.mergeStderr && command.argv.size() == 3);
    return kj::arr(kj::str("/bin/sh"), kj::str("-c"), kj::str(COPY_SCRIPT), kj::str("sh"),
                   kj::str(command.argv[2]), kj::str(copy->path), kj::str(copy->lines),
                   kj::str(copy->bytes), kj::str(copy->limit / BLOCK), kj::str(copy->notice));
  }
  kj::Vector<kj::String> argv;
  if (command.inShell) {
    for (auto word : {"/bin/sh"_kj, "-c"_kj, SHELL_SCRIPT, "sh"_kj}) argv.add(kj::str(word));
  }
  for (auto& arg : command.argv.slice(command.inShell ? 1 : 0, command.argv.size())) {
    argv.add(kj::str(arg));
  }
  return argv.releaseAsArray();
}

}  // namespace sandbridge
