#pragma once
// The persisted logs of sandboxes: what their processes printed (files that the daemon in the box writes, see
// daemon/process-log.h) and what became of the sandboxes themselves (a file that the server writes).
//
// Kept as long as the sandbox's record, and so beyond its end. At most 1.1 MiB of disk a sandbox; the oldest goes first.

#include <stdint.h>

#include <kj/function.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

// The service's numbers.
enum class LogLevel { TRACE = 1, DEBUG, INFO, WARN, ERROR, FATAL };

struct LogProcess {
  kj::String id;  // unique in the sandbox, over restarts too
  kj::String pid, name, command;
};

struct LogEntry {
  int64_t timestamp;  // ms since the epoch
  LogLevel level;
  uint64_t number;     // orders entries of one millisecond
  kj::String stream;   // "stdout", "stderr", or empty for what the sandbox or a process did
  kj::String body;
  kj::Maybe<size_t> process;  // index; none: the sandbox itself
};

struct SandboxLog {
  kj::Vector<LogProcess> processes;  // in the order in which they were seen first
  kj::Vector<LogEntry> entries;      // oldest first
};

class SandboxLogs {
 public:
  // Makes `dir` (mode 0700) if need be. Throws when it cannot be used.
  explicit SandboxLogs(kj::StringPtr dir);

  // For BoxSpec::log.
  kj::String filesOf(kj::StringPtr id);

  // Lost, with a warning, when it cannot be written.
  void note(kj::StringPtr id, LogLevel level, kj::StringPtr text);

  // Blocks for some milliseconds on full logs. Lines that a crash cut are left out. Throws when a file cannot be read.
  SandboxLog read(kj::StringPtr id);

  void remove(kj::StringPtr id);
  // Logs of sandboxes that nobody knows any more.
  void removeAllBut(kj::FunctionParam<bool(kj::StringPtr id)> known);

 private:
  kj::String dir;  // absolute

  kj::String path(kj::StringPtr id, kj::StringPtr suffix);
};

}  // namespace sandbridge::localcloud
