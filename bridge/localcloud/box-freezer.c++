#include "box-freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/coroutine.h"
#include "base/error.h"

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration DEADLINE = 1 * kj::SECONDS;
constexpr kj::Duration LOOK = 1 * kj::MILLISECONDS;
// The v1 freezer can stick for ever when a vfork parent waits for an already frozen child; thawing and freezing again
// gets it past that.
constexpr kj::Duration V1_RETRY = 20 * kj::MILLISECONDS;

kj::Maybe<const BoxRecord::Group&> freezerOf(const BoxRecord& record) {
  for (auto& group : record.cgroups) {
    if (group.freezer) return group;
  }
  return nullptr;
}

bool put(kj::StringPtr path, kj::StringPtr text) {
  int fd = open(path.cStr(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool done = write(fd, text.begin(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

kj::String get(kj::StringPtr path) {
  int fd = open(path.cStr(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return kj::str("");
  char text[512];
  ssize_t n = read(fd, text, sizeof text);
  close(fd);
  return n <= 0 ? kj::str("") : kj::heapString(text, n);
}

bool isFrozen(const BoxRecord::Group& group) {
  if (group.v2) {
    return strstr(get(kj::str(group.folder, "/cgroup.events")).cStr(), "frozen 1") != nullptr;
  }
  return get(kj::str(group.folder, "/freezer.state")) == "FROZEN\n";
}

bool setFrozen(const BoxRecord::Group& group, bool frozen) {
  if (group.v2) return put(kj::str(group.folder, "/cgroup.freeze"), frozen ? "1" : "0");
  return put(kj::str(group.folder, "/freezer.state"), frozen ? "FROZEN" : "THAWED");
}

}  // namespace

bool hasCgroupFreezer(const BoxRecord& record) { return freezerOf(record) != nullptr; }

kj::Promise<void> freezeCgroup(const BoxRecord& record, kj::Timer& timer) {
  BoxRecord::Group group;
  KJ_IF_MAYBE (found, freezerOf(record)) {
    group = BoxRecord::Group{kj::str(found->folder), found->v2, true};
  } else {
    co_return;
  }
  if (!setFrozen(group, true)) {
    throwError(ErrorKind::FAILED, kj::str("cannot freeze the sandbox: ", strerror(errno)));
  }
  auto end = timer.now() + DEADLINE;
  auto retry = timer.now() + V1_RETRY;
  while (!isFrozen(group)) {
    co_await timer.afterDelay(LOOK);
    auto now = timer.now();
    if (now > end) throwError(ErrorKind::FAILED, "the sandbox's processes did not stand still");
    if (!group.v2 && now > retry) {
      setFrozen(group, false);
      co_await timer.afterDelay(LOOK);
      setFrozen(group, true);
      retry = now + V1_RETRY;
    }
  }
}

kj::Promise<void> thawCgroup(const BoxRecord& record, kj::Timer& timer) {
  BoxRecord::Group group;
  KJ_IF_MAYBE (found, freezerOf(record)) {
    group = BoxRecord::Group{kj::str(found->folder), found->v2, true};
  } else {
    co_return;
  }
  // A group that is gone holds no process.
  if (!setFrozen(group, false) && errno != ENOENT) {
    throwError(ErrorKind::FAILED, kj::str("cannot thaw the sandbox: ", strerror(errno)));
  }
  auto end = timer.now() + DEADLINE;
  while (isFrozen(group)) {
    if (timer.now() > end) throwError(ErrorKind::FAILED, "the sandbox could not be thawed");
    co_await timer.afterDelay(LOOK);
  }
}

void thawGroup(kj::StringPtr folder, bool v2) {
  setFrozen(BoxRecord::Group{kj::str(folder), v2, true}, false);
}

}  // namespace sandbridge::localcloud
