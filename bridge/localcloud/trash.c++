#include "trash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <kj/debug.h>
#include <kj/encoding.h>

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "box-image.h"
#include "box-launch.h"

namespace sandbridge::localcloud {

Trash::Trash(kj::AsyncIoContext& io, kj::StringPtr dir, int image)
    : io(io), dir(kj::str(dir)), image(image), tasks(*this) {
  if (mkdir(this->dir.cStr(), 0700) < 0 && errno != EEXIST) {
    throwError(ErrorKind::FAILED, kj::str("cannot make ", dir, ": ", strerror(errno)));
  }
}

void Trash::discard(kj::StringPtr folder) {
  kj::byte name[8];
  KJ_SYSCALL(getrandom(name, sizeof name, 0));
  auto place = kj::str(dir, '/', kj::encodeHex(name));
  if (rename(folder.cStr(), place.cStr()) < 0 && errno != ENOENT) {
    throwError(ErrorKind::FAILED, kj::str("cannot remove ", folder, ": ", strerror(errno)));
  }
  sweep();
}

// One sweeper at a time; what comes meanwhile is for its next round.
void Trash::sweep() {
  sweepAgain = true;
  if (!sweeping) tasks.add(sweepAll());
}

kj::Promise<void> Trash::sweepAll() {
  sweeping = true;
  KJ_DEFER(sweeping = false);
  while (sweepAgain) {
    sweepAgain = false;
    kj::Vector<kj::String> arguments;
    arguments.add(kj::str("sweep"));
    arguments.add(kj::str(dir));
    bool done = co_await collectWhenEnded(io.unixEventPort, spawnBoxImage(image, arguments));
    if (!done) logWarning("removed files are left in ", dir);
  }
}

void Trash::taskFailed(kj::Exception&& e) { logError("clearing up: ", textOf(e)); }

}  // namespace sandbridge::localcloud
