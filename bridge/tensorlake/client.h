#pragma once
// TensorLake's sandbox API, typed: lifecycle calls here, the data plane of one sandbox in
// DataPlane.
//
// Failures are exceptions of base/error.h; `failureOf` tells what TensorLake answered. Requests
// that never reached the service, and idempotent ones, are tried again for about 30 s (retry.h);
// nothing that acts is ever sent twice on an unknown outcome: that is INTERRUPTED.

#include "net/http-client.h"
#include "tensorlake/config.h"
#include "tensorlake/event-stream.h"

#include <kj/async-io.h>
#include <kj/timer.h>

namespace sandbridge::tensorlake {

struct Sandbox {
  kj::String id;
  kj::String name;
  kj::String status;  // TensorLake's word: pending running snapshotting suspending suspended
                      // terminated ...
  kj::String url;     // of the data plane
  kj::String routingHint;
  kj::String reason;      // why it is terminated or pending, where told
  int64_t createdAt = 0;  // ms since 1970

  Sandbox clone() const;
};

struct CreateRequest {  // zero and empty: the configuration's defaults
  kj::String name;
  kj::String image;
  double cpus = 0;
  uint32_t memoryMb = 0;
  uint32_t diskMb = 0;
  uint32_t timeoutSecs = 0;  // 0: TensorLake's default
};

struct ProcessRequest {
  kj::String command;
  kj::Array<kj::String> args;
  kj::Array<kj::String> environmentNames;  // as long as `environmentValues`
  kj::Array<kj::String> environmentValues;
  kj::String workingDir;   // empty: the daemon's
  kj::String user;         // empty: the image's
  bool pipeStdin = false;  // start() only
  bool brief = false;      // run() only: it ends soon by itself, and must not wait for others to end
};

struct ProcessInfo {
  uint32_t pid = 0;
  kj::String status;  // running exited signaled oom_killed
  kj::Maybe<int> exitCode;
  kj::Maybe<int> signal;
};

struct FileEntry {
  kj::String name;
  bool isDirectory = false;
  uint64_t size = 0;
  int64_t modifiedAt = 0;  // ms since 1970
};

// One step of a running process.
struct ProcessEvent {
  enum Kind { STARTED, STDOUT_LINE, STDERR_LINE, EXITED, SIGNALED, END_OF_LOG } kind;
  kj::String line;
  int value = 0;  // pid, exit code or signal
};

// The events of one process, pulled one by one. Dropping it hangs up; what that does to the process
// is the server's choice (our local one lets it run).
class ProcessEvents {
 public:
  virtual ~ProcessEvents() noexcept(false) {}

  // None after the last event. A stream that breaks, ends early, or holds an error rejects.
  virtual kj::Promise<kj::Maybe<ProcessEvent>> next() = 0;
};

enum class Log { STDOUT, STDERR, OUTPUT };

// The inside of one sandbox. Keeps what it needs of the Sandbox. It must outlive its promises (not
// the streams that they resolve to), and the Client both.
class DataPlane {
 public:
  virtual ~DataPlane() noexcept(false) {}

  // Runs to completion; ends with exactly one EXITED or SIGNALED. Never sent twice.
  virtual kj::Promise<kj::Own<ProcessEvents>> run(ProcessRequest request) = 0;

  // Never sent twice.
  virtual kj::Promise<ProcessInfo> start(ProcessRequest request) = 0;
  virtual kj::Promise<kj::Array<ProcessInfo>> processes() = 0;
  virtual kj::Promise<ProcessInfo> process(uint32_t pid) = 0;
  // Replays from the start of the log, then live; ends with END_OF_LOG.
  virtual kj::Promise<kj::Own<ProcessEvents>> follow(uint32_t pid, Log log) = 0;
  virtual kj::Promise<void> signal(uint32_t pid, int number) = 0;
  virtual kj::Promise<void> kill(uint32_t pid) = 0;  // SIGKILL
  virtual kj::Promise<void> writeStdin(uint32_t pid, kj::Array<const kj::byte> bytes) = 0;
  virtual kj::Promise<void> closeStdin(uint32_t pid) = 0;  // success when it is closed already

  // Paths are absolute and hold no `..`.
  virtual kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::String path) = 0;
  virtual kj::Promise<void> writeFile(kj::String path, kj::Own<kj::AsyncInputStream> content,
                                      uint64_t size) = 0;
  virtual kj::Promise<void> writeFile(kj::String path, kj::Array<const kj::byte> content) = 0;
  // NOT_FOUND may mean that it was this call that deleted it, and that its first answer was lost.
  virtual kj::Promise<void> deleteFile(kj::String path) = 0;
  virtual kj::Promise<kj::Array<FileEntry>> listFiles(kj::String path) = 0;

  virtual kj::Promise<void> health() = 0;
};

class Client {
 public:
  virtual ~Client() noexcept(false) {}

  // Blocks until it runs. A creation that times out is deleted again. When the answer is lost, or
  // the name is taken, the sandbox that now has the name is returned: names are derived from
  // sessions, so it is ours.
  virtual kj::Promise<Sandbox> create(CreateRequest request) = 0;

  // None: definitely no such sandbox. Terminated ones may be found, by `status`.
  virtual kj::Promise<kj::Maybe<Sandbox>> get(kj::String idOrName) = 0;

  // All pages.
  virtual kj::Promise<kj::Array<Sandbox>> list() = 0;

  // Success when it is already gone.
  virtual kj::Promise<void> remove(kj::String idOrName) = 0;

  // Each resolves once the state is reached; NOT_FOUND when the sandbox has ended instead.
  virtual kj::Promise<Sandbox> suspend(kj::String idOrName) = 0;
  virtual kj::Promise<Sandbox> resume(kj::String idOrName) = 0;

  // Waits while the sandbox is in a passing state (pending, suspending, snapshotting); answers what
  // came then, none when it is gone.
  virtual kj::Promise<kj::Maybe<Sandbox>> settle(kj::String idOrName) = 0;

  virtual kj::Own<DataPlane> connect(const Sandbox& sandbox) = 0;
};

// All must outlive the client and its promises.
kj::Own<Client> newClient(Config config, HttpClient& http, kj::Timer& timer);

// What TensorLake answered, when an exception comes from an answer.
struct Failure {
  unsigned status = 0;    // HTTP status; 0: no answer
  kj::String code;        // TensorLake's code, often empty
  bool delivered = true;  // false: certainly not executed
};
Failure failureOf(const kj::Exception& e);

}  // namespace sandbridge::tensorlake
