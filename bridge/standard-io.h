#pragma once
// Standard input and output on the event loop, without O_NONBLOCK: that flag belongs to the open file, which the shell and
// others share. Works for terminals, pipes, sockets, files and devices.

#include <kj/async-unix.h>
#include <kj/common.h>

namespace sandbridge {

class StandardInput {
 public:
  explicit StandardInput(kj::UnixEventPort& port);
  KJ_DISALLOW_COPY(StandardInput);

  // False when there is nothing to read for sure: closed, or /dev/null.
  static bool mayHaveInput();

  // Resolves when `tryRead` may find something. Dropping it takes nothing from the input.
  kj::Promise<void> whenReadable();

  // How much of what is there now was read: zero at the end, none when nothing is there yet. An unreadable input is at its end.
  kj::Maybe<size_t> tryRead(kj::ArrayPtr<kj::byte> buffer);

 private:
  kj::Maybe<kj::Own<kj::UnixEventPort::FdObserver>> observer;  // none for files: always ready
};

class StandardOutput {
 public:
  // `fd`: STDOUT_FILENO or STDERR_FILENO.
  StandardOutput(kj::UnixEventPort& port, int fd);
  KJ_DISALLOW_COPY(StandardOutput);

  // All bytes, in order; `bytes` must outlive the promise. One call at a time. Rejects with DISCONNECTED when
  // nobody reads any more.
  kj::Promise<void> write(kj::ArrayPtr<const kj::byte> bytes);

 private:
  int fd;
  kj::Maybe<kj::Own<kj::UnixEventPort::FdObserver>> observer;
};

}  // namespace sandbridge
