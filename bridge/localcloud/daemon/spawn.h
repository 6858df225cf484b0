#pragma once
// Starting a command inside the box: own session, cleared environment, the chosen user, fewer capabilities than the daemon.

#include <kj/array.h>
#include <kj/io.h>
#include <kj/string.h>
#include <kj/vector.h>

#include <sys/types.h>

#include "units.h"

namespace sandbridge::localcloud::daemon {

struct EnvironmentEntry {
  kj::String name;
  kj::String value;
};

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  kj::Vector<gid_t> groups;
  kj::String name;  // may be empty
  kj::String home;
  bool isDaemons = true;  // the daemon's own: nothing is changed
};

// "root", "1000", "1000:1000"; looked up in the box's /etc/passwd. Throws INVALID_ARGUMENT errors.
User findUser(kj::StringPtr text);
User findUser(uid_t uid, kj::Maybe<gid_t> gid);

struct Command {
  kj::String program;
  kj::Array<kj::String> arguments;  // without the program
  kj::Vector<EnvironmentEntry> environment;
  kj::String workingDirectory;
  User user;
  bool pipeStdin = false;
  bool captureStdout = true;
  bool captureStderr = true;
};

struct Spawned {
  pid_t pid;  // also its process group and session
  // Null where not piped. Non-blocking ends of the daemon's side.
  kj::AutoCloseFd stdinFd, stdoutFd, stderrFd;
};

// Throws FAILED with the reason when the program cannot be started. Blocks until it has: no longer than an exec takes.
Spawned spawn(const Command& command, kj::Maybe<Units::Mark> unit);
// The terminal is the program's controlling one and all its streams; nothing is piped.
Spawned spawnOn(int terminal, const Command& command);

}  // namespace sandbridge::localcloud::daemon
