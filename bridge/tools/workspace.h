#pragma once
// What a tool can do to the place where it works: run a command, read and write files. The tools know nothing else,
// so the same code runs over a TensorLake sandbox (sandbox/) and over a directory in a test.
//
// Paths are absolute or relative to `root()`. Failures are exceptions made by base/error.h: NOT_FOUND, INVALID_ARGUMENT
// (for example a directory where a file is meant), and the infrastructure's own (UNAVAILABLE, INTERRUPTED, SANDBOX_LOST).

#include "tools/file-state.h"

#include <kj/async-io.h>
#include <kj/common.h>
#include <kj/one-of.h>
#include <kj/string.h>
#include <kj/timer.h>

namespace sandbridge {

struct ExitStatus {
  enum Kind { EXITED, SIGNALED, TIMED_OUT } kind = EXITED;
  unsigned value = 0;  // exit code or signal number

  bool success() const { return kind == EXITED && value == 0; }
  // As a shell says it: 128 + n for signals, 124 for a timeout.
  unsigned shellCode() const;
};

struct EnvironmentVariable {
  kj::String name;
  kj::String value;
};

// A file in the sandbox, of its user alone, that gets a copy of standard output once that has more
// than `lines` lines or `bytes` bytes (at most 512 KiB). Old files beside it, of seven days and
// more, are removed then.
struct OutputCopy {
  kj::String path;
  uint64_t lines = 0, bytes = 0;
  uint64_t limit = 0;  // of the file's size
  kj::String notice;   // printed at the end of the output if the copy is incomplete
};

struct WorkspaceCommand {
  kj::Array<kj::String> argv;  // program and arguments, no shell; NUL bytes are refused
  kj::String workdir;          // empty: root()
  kj::Array<EnvironmentVariable> environment;
  kj::Maybe<kj::Duration> timeout;  // then the process group gets SIGTERM, and SIGKILL 3 s later
  bool mergeStderr = false;         // both streams through `stdoutChunk`, in the order written
  bool keepStdin = false;           // else standard input is at its end
  // `argv` is {"bash", "-c", TEXT}: run by /bin/bash, else the bash in PATH, else /bin/sh.
  bool inShell = false;
  kj::Maybe<OutputCopy> copy;  // only with `inShell` and `mergeStderr`
};

// Takes a command's output as it comes: exact bytes, chunks of at most 64 KiB. The returned promise is the back-pressure.
class OutputReceiver {
 public:
  virtual kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) = 0;
  virtual kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) = 0;
};

// When its time is over, a command's processes get SIGTERM and 3 s later SIGKILL; one that has left the group may still hold
// the output open. It is not waited for any longer than this.
constexpr auto DEATH_GRACE = 15 * kj::SECONDS;

// A running command, in its own process group. Dropping it before it has ended kills the group.
class WorkspaceProcess {
 public:
  virtual ~WorkspaceProcess() noexcept(false) {}

  // Resolves when the command has ended and both streams are delivered (a background process that holds them keeps
  // it waiting, as in OpenCode). Call once.
  virtual kj::Promise<ExitStatus> wait() = 0;
  virtual kj::Promise<void> signal(int number) = 0;
  // Ends the process group: SIGTERM, and SIGKILL to what is left after 3 s. What is printed meanwhile still comes.
  virtual kj::Promise<void> terminate() = 0;
  // Resolves when the bytes are on their way to the command and a limited number of them is not yet read, which may take for as
  // long as the command runs. `wait` must be under way. One call at a time.
  virtual kj::Promise<void> writeStdin(kj::ArrayPtr<const kj::byte> bytes) = 0;
  virtual kj::Promise<void> closeStdin() = 0;
};

class Workspace {
 public:
  virtual ~Workspace() noexcept(false) {}

  virtual kj::StringPtr root() = 0;  // "/workspace"

  // Starts a command. `output` must outlive the process. Never repeated: a lost answer is INTERRUPTED.
  virtual kj::Promise<kj::Own<WorkspaceProcess>> start(WorkspaceCommand command,
                                                       OutputReceiver& output) = 0;

  struct Captured {
    ExitStatus status;
    kj::Array<kj::byte> output;       // stdout
    kj::Array<kj::byte> errorOutput;  // stderr, its first 64 KiB
  };
  // Runs a POSIX shell script (`sh -c SCRIPT sh ARGS...`) that ends by itself, in one round trip. Hostile text goes in
  // `args`, never into `script`. More than `limit` bytes of stdout is a FAILED error. `args` hold no NUL and
  // together stay below 96 KiB.
  virtual kj::Promise<Captured> runScript(kj::StringPtr script, kj::Array<kj::String> args,
                                          size_t limit = 8u << 20) = 0;

  // The file's bytes from its start. Dropping the stream ends the transfer.
  virtual kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::StringPtr path) = 0;

  // Replaces the file's content; makes parents. Follows symlinks and keeps mode and hard links. When it fails (full disk)
  // the old content is still there.
  virtual kj::Promise<void> writeFile(kj::StringPtr path, kj::Own<kj::AsyncInputStream> content,
                                      uint64_t size) = 0;

  // Like writeFile(), in one round trip where that is possible, but only if the file still has exactly the content
  // `before`; null: if nothing is there yet. Otherwise nothing has been changed, and the result is what is there.
  // `before` and `after` must outlive the promise.
  virtual kj::Promise<kj::Maybe<FileState>> replaceFile(kj::StringPtr path,
                                                        kj::Maybe<kj::ArrayPtr<const kj::byte>> before,
                                                        kj::ArrayPtr<const kj::byte> after) = 0;

  // writeFile() with bytes at hand.
  kj::Promise<void> writeFile(kj::StringPtr path, kj::Array<const kj::byte> content);
};

}  // namespace sandbridge
