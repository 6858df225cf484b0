#pragma once
// A child process that cannot outlive us. A small supervisor, which leads the child's session, holds one end of a pipe whose
// other end only we hold: when that closes, because we let go of the process or are killed, the supervisor ends the whole
// process group. (PR_SET_PDEATHSIG would reach the child alone and leave its children running.)

#include <kj/async-io.h>
#include <kj/io.h>
#include <kj/string.h>

namespace sandbridge {

class SupervisedProcess {
 public:
  struct Options {
    kj::Array<kj::String> argv;         // argv[0] is looked up on PATH if it holds no slash
    kj::Array<kj::String> environment;  // "NAME=value"
    kj::String directory;
  };

  // Throws NOT_FOUND if there is no such program.
  SupervisedProcess(kj::LowLevelAsyncIoProvider& io, Options options);

  // Does not wait: the group gets SIGTERM now, and SIGKILL 3 s later or when the child has ended.
  ~SupervisedProcess() noexcept(false) {}
  KJ_DISALLOW_COPY(SupervisedProcess);

  // Standard output and standard error, as one.
  kj::AsyncInputStream& output() { return *outputStream; }

  // Resolves when the child has ended, to words like "exit code 1". Its process group ends with it. Call once.
  kj::Promise<kj::String> onExit();

 private:
  kj::AutoCloseFd leash;
  kj::Own<kj::AsyncInputStream> outputStream;
  kj::Own<kj::AsyncInputStream> statusStream;
};

}  // namespace sandbridge
