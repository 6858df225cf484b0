#pragma once
// What processes print, kept on the host's disk beside the box, so that it can be read after the box's end. The server only
// reads these files; the daemon writes them alone, whether a server lives or not.
//
// One JSON object a line. Every one has "i" (which start of the box), "h" (the process), "t" (ms since the epoch). One of
// them describes the process, for the lines after it in the same file: "pid", "name", "command". The others are numbered by
// "n" and have one of "out", "err" (what it printed) and "note" (what became of it).

#include <stdint.h>

#include <kj/array.h>
#include <kj/io.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud::daemon {

// Two files that take turns: when one is full the older other one is emptied.
class LogFiles {
 public:
  static constexpr uint64_t FILE_BYTES = 512u << 10;

  // Both open for appending. `instance`: the box's.
  LogFiles(kj::AutoCloseFd first, kj::AutoCloseFd second, kj::StringPtr instance);

  // A line without its end. Lost on a full disk: commands must not fail for it.
  void write(kj::StringPtr line);

  uint64_t nextNumber() { return number++; }
  // Changes when a file is emptied.
  uint64_t turn() const { return turns; }
  kj::StringPtr instance() const { return start; }

 private:
  kj::AutoCloseFd current, other;
  uint64_t size = 0;  // of the current one
  uint64_t number = 0;
  uint64_t turns = 1;
  kj::String start;
};

// The entries of one process. A process that prints much is cut short, so that it neither costs speed nor drives out what
// others have printed.
class ProcessLog {
 public:
  static constexpr size_t MAX_TEXT = 8u << 10;     // of one entry
  static constexpr size_t BURST_BYTES = 128u << 10;
  static constexpr size_t BYTES_PER_SECOND = 64u << 10;

  ProcessLog(LogFiles& files, uint64_t handle, int pid, kj::StringPtr name, kj::StringPtr program,
             kj::ArrayPtr<const kj::String> arguments, int64_t now);

  void line(bool isError, int64_t now, kj::StringPtr text);
  void note(int64_t now, kj::StringPtr text);

 private:
  LogFiles& files;
  uint64_t handle;
  int pid;
  kj::String name, command;
  uint64_t describedIn = 0;
  double budget = BURST_BYTES;
  int64_t lastTime;
  uint64_t leftOut = 0;

  void write(kj::StringPtr kind, int64_t now, kj::StringPtr text);
  void tellLeftOut(int64_t now);
};

}  // namespace sandbridge::localcloud::daemon
