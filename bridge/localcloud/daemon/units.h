#pragma once
// A unit: a command and all that descends from it. What is left of it when the command ends, is ended with it, as in
// TensorLake's sandboxes: also what has left the command's session and has been orphaned. What is to go on must be, or
// descend from, a command that goes on.
//
// Descendants are known by a mark that they inherit: a hard limit on the processor time of real-time programs
// (RLIMIT_RTTIME), which no program in a box can be. Nobody in a box can raise it, nothing else changes it, and it costs one
// system call. (A cgroup for each command needs more rights than a plain user's server has, a namespace for each more than
// the daemon should have.)

#include <kj/function.h>
#include <kj/io.h>

#include <sys/resource.h>
#include <sys/types.h>

namespace sandbridge::localcloud::daemon {

class Units {
 public:
  // In the process that is to start commands; units are numbered from 1.
  Units();

  // Between fork and exec. Async-signal-safe.
  struct Mark {
    rlim_t limit = 0;
    bool set() const;
  };
  Mark mark(uint64_t unit) const { return {unmarked - unit}; }

  // For an init, whose children the orphans become. Kills what is left of units that do not live. `known` are the children
  // that need not be looked at. False: nothing is left. True: ask again when a child has ended.
  bool killRest(kj::ArrayPtr<const pid_t> known, kj::FunctionParam<bool(uint64_t unit)> lives) const;

 private:
  rlim_t unmarked;
  kj::AutoCloseFd children;  // none where the kernel does not list them

  // None: it has ended, or belongs to no unit.
  kj::Maybe<uint64_t> unitOf(pid_t pid) const;
};

}  // namespace sandbridge::localcloud::daemon
