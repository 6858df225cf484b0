#include "localcloud/running-box.h"

#include "base/coroutine.h"
#include "localcloud/box-control.h"
#include "localcloud/box-freezer.h"
#include "localcloud/box-groups.h"
#include "localcloud/box-launch.h"
#include "localcloud/box-network.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration STOP_DEADLINE = 5 * kj::SECONDS;
// Longer than the daemon tries.
constexpr kj::Duration PORT_DEADLINE = 12 * kj::SECONDS;
// A box with much dirty data waits for the overlay's sync while it ends.
constexpr kj::Duration END_DEADLINE = 60 * kj::SECONDS;

bool exists(kj::StringPtr path) { return access(path.cStr(), F_OK) == 0; }

}  // namespace

bool standsStill(const BoxRecord& record) {
  return record.state == "frozen" || record.state == "paused";
}

kj::Vector<BoxRecord::Group> groupsOf(const BoxRecord& record) {
  auto copy = record.clone();
  return kj::mv(copy.cgroups);
}

RunningBox::RunningBox(kj::Own<BoxServer> serverParam, BoxRecord recordParam, kj::AutoCloseFd pidfdParam)
    : server(kj::mv(serverParam)),
      folder(server->folderOf(recordParam.id)),
      record(kj::mv(recordParam)),
      pidfd(kj::mv(pidfdParam)),
      observer(server->io.unixEventPort, pidfd, kj::UnixEventPort::FdObserver::OBSERVE_READ),
      ended(watch().fork()) {}

RunningBox::~RunningBox() noexcept(false) {
  if (taken) return;
  syscall(SYS_pidfd_send_signal, static_cast<int>(pidfd), SIGKILL, nullptr, 0);
  server->tasks.add(removeCgroups(groupsOf(record), server->timer));
  if (isFresh) server->discardBox(record.id);
}

kj::Promise<kj::Own<kj::AsyncIoStream>> RunningBox::connect() {
  return connectTo(*server->io.lowLevelProvider, folder, "http.sock");
}

kj::Promise<kj::Own<kj::AsyncIoStream>> RunningBox::connectPort(uint16_t port) {
  auto packet = co_await askDaemon(server->io, folder, kj::str("connect ", port, '\n'), PORT_DEADLINE);
  constexpr auto FAILED = "failed "_kj;
  if (packet.text.startsWith(FAILED)) {
    auto why = packet.text.slice(FAILED.size());
    throwError(ErrorKind::UNAVAILABLE, kj::str(why.slice(0, why.size() - 1)));
  }
  if (packet.fd == nullptr) throwError(ErrorKind::FAILED, "the sandbox's daemon does not know how to connect to ports");
  co_return server->io.lowLevelProvider->wrapSocketFd(
      kj::mv(packet.fd), kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK);
}

kj::Promise<void> RunningBox::setNetwork(NetworkPolicy policy) {
  KJ_IF_MAYBE (why, server->whyNotEnforced(policy)) throwError(ErrorKind::FAILED, *why);
  int fd;
  KJ_SYSCALL(fd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3));
  // Whole without this box, which may be dropped meanwhile.
  return changeNetwork(server->io, server->image, kj::AutoCloseFd(fd), enforcementOf(policy)).attach(kj::addRef(*server));
}

kj::Promise<void> RunningBox::freeze() {
  if (record.state == "frozen") co_return;
  // First on disk: a server that dies now must not take a frozen box for a hung one.
  setState("frozen");
  co_await freezeOrUndo();
}

kj::Promise<void> RunningBox::pause() {
  setState("paused");
  return freezeOrUndo();
}

kj::Promise<void> RunningBox::unpause() {
  if (record.state != "paused") return kj::READY_NOW;
  return thaw();
}

kj::Promise<bool> RunningBox::confirmFrozen() {
  try {
    co_await freezeOrUndo();
    co_return true;
  } catch (kj::Exception& e) {
    logWarning("sandbox ", record.id, " was suspended and now runs: ", textOf(e));
    co_return false;
  }
}

kj::Promise<void> RunningBox::thaw() {
  if (!standsStill(record)) co_return;
  if (hasCgroupFreezer(record)) {
    co_await thawCgroup(record, server->timer);
  } else {
    co_await ask("continue\n", "continued\n");
  }
  setState("running");
}

kj::Promise<void> RunningBox::end() {
  syscall(SYS_pidfd_send_signal, static_cast<int>(pidfd), SIGKILL, nullptr, 0);
  if (standsStill(record)) {
    // The v1 freezer holds back even the signal.
    try {
      co_await thawCgroup(record, server->timer);
    } catch (kj::Exception& e) {
      logWarning("thawing sandbox ", record.id, " before its end: ", textOf(e));
    }
  }
  kj::Maybe<kj::Exception> late;
  try {
    co_await server->timer.timeoutAfter(END_DEADLINE, ended.addBranch());
  } catch (kj::Exception& e) {
    late = kj::mv(e);
  }
  if (late != nullptr) {
    throwError(ErrorKind::FAILED, "the sandbox's processes did not end within a minute");
  }
  if (record.state != "stopped") setState("stopped");
}

// A readable pidfd of a namespace's init means that every process in it is gone.
kj::Promise<void> RunningBox::watch() {
  for (;;) {
    pollfd now = {pidfd, POLLIN, 0};
    if (poll(&now, 1, 0) > 0) break;
    co_await observer.whenBecomesReadable();
  }
  collect(pidfd);  // it is our child when nobody else above us collects
  server->tasks.add(removeCgroups(groupsOf(record), server->timer));
}

void RunningBox::setState(kj::StringPtr state) {
  record.state = kj::str(state);
  // A box whose folder is gone was removed: there is nothing to write to.
  if (exists(folder)) record.save(folder);
}

kj::Promise<void> RunningBox::ask(kj::StringPtr request, kj::StringPtr expected) {
  auto packet = co_await askDaemon(server->io, folder, kj::str(request), STOP_DEADLINE);
  if (packet.text != expected) {
    throwError(ErrorKind::FAILED, kj::str("the sandbox's daemon: ", packet.text));
  }
}

kj::Promise<void> RunningBox::freezeOrUndo() {
  kj::Maybe<kj::Exception> problem;
  try {
    if (hasCgroupFreezer(record)) {
      co_await freezeCgroup(record, server->timer);
    } else {
      co_await ask("stop\n", "stopped\n");
    }
  } catch (kj::Exception& e) {
    problem = kj::mv(e);
  }
  KJ_IF_MAYBE (e, problem) {
    co_await undoFreeze();
    kj::throwFatalException(kj::mv(*e));
  }
}

kj::Promise<void> RunningBox::undoFreeze() {
  try {
    if (hasCgroupFreezer(record)) co_await thawCgroup(record, server->timer);
    setState("running");
  } catch (kj::Exception& e) {
    logError("sandbox ", record.id, " could not be thawed after a failed freeze: ", textOf(e));
  }
}

}  // namespace sandbridge::localcloud
