#include "box.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <kj/encoding.h>
#include <kj/refcount.h>

#include <map>
#include <set>
#include <string>

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "box-control.h"
#include "box-freezer.h"
#include "box-groups.h"
#include "box-host.h"
#include "box-image.h"
#include "box-launch.h"
#include "box-network.h"
#include "box-record.h"
#include "box-snapshots.h"
#include "trash.h"

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration ANSWER_DEADLINE = 3 * kj::SECONDS;
constexpr kj::Duration STOP_DEADLINE = 5 * kj::SECONDS;
// Longer than the daemon tries.
constexpr kj::Duration PORT_DEADLINE = 12 * kj::SECONDS;
// A box with much dirty data waits for the overlay's sync while it ends.
constexpr kj::Duration END_DEADLINE = 60 * kj::SECONDS;

// How old a look for the host's secret files may be at the start of a box.
constexpr kj::Duration MASKS_AGE = 30 * kj::SECONDS;

// Longer than the control plane's ids, so that it cannot be one of them.
constexpr kj::StringPtr TRIAL = "isolationtrial"_kj;

kj::String randomText() {
  kj::byte bytes[8];
  KJ_SYSCALL(getrandom(bytes, sizeof bytes, 0));
  return kj::encodeHex(bytes);
}

void checkId(kj::StringPtr id) {
  bool good = id.size() >= 1 && id.size() <= 40;
  for (char c : id) good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
  if (!good) throwError(ErrorKind::INVALID_ARGUMENT, "a box id is 1 to 40 characters of a-z, 0-9");
}

void makeFolder(kj::StringPtr path) {
  if (mkdir(path.cStr(), 0700) < 0 && errno != EEXIST) {
    throwError(ErrorKind::FAILED, kj::str("cannot make ", path, ": ", strerror(errno)));
  }
}

bool exists(kj::StringPtr path) { return access(path.cStr(), F_OK) == 0; }

// What a box needs of its server. Refcounted, so that a box may outlive the Boxes that made it.
struct Host final : public kj::Refcounted, private kj::TaskSet::ErrorHandler {
  Host(kj::AsyncIoContext& io, kj::StringPtr dir)
      : tasks(*this),
        io(io),
        timer(io.lowLevelProvider->getTimer()),
        dir(kj::str(dir)),
        facts(inspectHost()),
        image(makeBoxImage()),
        trash(io, kj::str(dir, "/trash"), image),
        snapshots(io, kj::str(dir, "/snapshots"), facts, image,
                  [this](kj::StringPtr folder) { trash.discard(folder); }) {}

  kj::TaskSet tasks;  // clearing up, which nobody waits for
  kj::AsyncIoContext& io;
  kj::Timer& timer;
  kj::String dir;
  kj::AutoCloseFd serverLock;
  BoxHost facts;
  kj::AutoCloseFd image;
  Trash trash;
  BoxSnapshots snapshots;
  std::map<std::string, kj::Vector<kj::String>> standing;  // boxes on snapshots, and on which
  kj::String skeleton, masks;

  kj::String folderOf(kj::StringPtr id) const { return kj::str(dir, "/boxes/", id); }

  kj::Maybe<kj::String> whyNotEnforced(const NetworkPolicy& policy) const {
    if (!policy.internet || facts.network) return nullptr;
    return kj::str("sandboxes have no network on this machine: ", facts.noNetworkReason);
  }

  void standOn(const BoxRecord& record) {
    if (record.layers.size() == 0 || standing.count(record.id.cStr()) > 0) return;
    auto& layers = standing[record.id.cStr()];
    for (auto& layer : record.layers) layers.add(kj::str(layer));
    snapshots.use(layers);
  }

  // Out of the way at once, deleted in the background.
  void discardBox(kj::StringPtr id) {
    trash.discard(folderOf(id));
    auto found = standing.find(id.cStr());
    if (found == standing.end()) return;
    auto layers = kj::mv(found->second);
    standing.erase(found);
    snapshots.release(layers);
  }

 private:
  void taskFailed(kj::Exception&& e) override { logError("clearing up after a sandbox: ", textOf(e)); }
};

bool standsStill(const BoxRecord& record) {
  return record.state == "frozen" || record.state == "paused";
}

kj::Vector<BoxRecord::Group> groupsOf(const BoxRecord& record) {
  auto copy = record.clone();
  return kj::mv(copy.cgroups);
}

class BoxImpl final : public Box {
 public:
  BoxImpl(kj::Own<Host> hostParam, BoxRecord recordParam, kj::AutoCloseFd pidfdParam)
      : host(kj::mv(hostParam)),
        folder(host->folderOf(recordParam.id)),
        record(kj::mv(recordParam)),
        pidfd(kj::mv(pidfdParam)),
        observer(host->io.unixEventPort, pidfd, kj::UnixEventPort::FdObserver::OBSERVE_READ),
        ended(watch().fork()) {}

  // A box whose starter gave up before it could take it is nobody's: it ends, and so do the files that it made.
  ~BoxImpl() noexcept(false) {
    if (taken) return;
    syscall(SYS_pidfd_send_signal, static_cast<int>(pidfd), SIGKILL, nullptr, 0);
    host->tasks.add(removeCgroups(groupsOf(record), host->timer));
    if (isFresh) host->discardBox(record.id);
  }

  void take() { taken = true; }
  void setFresh() { isFresh = true; }

  kj::StringPtr id() override { return record.id; }

  kj::Promise<kj::Own<kj::AsyncIoStream>> connect() override {
    return connectTo(*host->io.lowLevelProvider, folder, "http.sock");
  }

  kj::Promise<kj::Own<kj::AsyncIoStream>> connectPort(uint16_t port) override {
    auto packet = co_await askDaemon(host->io, folder, kj::str("connect ", port, '\n'), PORT_DEADLINE);
    constexpr auto FAILED = "failed "_kj;
    if (packet.text.startsWith(FAILED)) {
      auto why = packet.text.slice(FAILED.size());
      throwError(ErrorKind::UNAVAILABLE, kj::str(why.slice(0, why.size() - 1)));
    }
    if (packet.fd == nullptr) throwError(ErrorKind::FAILED, "the sandbox's daemon does not know how to connect to ports");
    co_return host->io.lowLevelProvider->wrapSocketFd(
        kj::mv(packet.fd), kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK);
  }

  kj::Promise<void> setNetwork(NetworkPolicy policy) override {
    KJ_IF_MAYBE (why, host->whyNotEnforced(policy)) throwError(ErrorKind::FAILED, *why);
    int fd;
    KJ_SYSCALL(fd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3));
    // Whole without this box, which may be dropped meanwhile.
    return changeNetwork(host->io, host->image, kj::AutoCloseFd(fd), enforcementOf(policy)).attach(kj::addRef(*host));
  }

  kj::Promise<void> freeze() override {
    if (record.state == "frozen") co_return;
    // First on disk: a server that dies now must not take a frozen box for a hung one.
    setState("frozen");
    co_await freezeOrUndo();
  }

  kj::Promise<void> pause() override {
    setState("paused");
    return freezeOrUndo();
  }

  kj::Promise<void> unpause() override {
    if (record.state != "paused") return kj::READY_NOW;
    return thaw();
  }

  // After adoption: the server may have died between writing "frozen" and freezing.
  kj::Promise<bool> confirmFrozen() {
    try {
      co_await freezeOrUndo();
      co_return true;
    } catch (kj::Exception& e) {
      logWarning("sandbox ", record.id, " was suspended and now runs: ", textOf(e));
      co_return false;
    }
  }

  kj::Promise<void> thaw() override {
    if (!standsStill(record)) co_return;
    if (hasCgroupFreezer(record)) {
      co_await thawCgroup(record, host->timer);
    } else {
      co_await ask("continue\n", "continued\n");
    }
    setState("running");
  }

  kj::Promise<void> end() override {
    syscall(SYS_pidfd_send_signal, static_cast<int>(pidfd), SIGKILL, nullptr, 0);
    if (standsStill(record)) {
      // The v1 freezer holds back even the signal.
      try {
        co_await thawCgroup(record, host->timer);
      } catch (kj::Exception& e) {
        logWarning("thawing sandbox ", record.id, " before its end: ", textOf(e));
      }
    }
    kj::Maybe<kj::Exception> late;
    try {
      co_await host->timer.timeoutAfter(END_DEADLINE, ended.addBranch());
    } catch (kj::Exception& e) {
      late = kj::mv(e);
    }
    if (late != nullptr) {
      throwError(ErrorKind::FAILED, "the sandbox's processes did not end within a minute");
    }
    if (record.state != "stopped") setState("stopped");
  }

  kj::Promise<void> onEnd() override { return ended.addBranch(); }

 private:
  kj::Own<Host> host;
  kj::String folder;
  BoxRecord record;
  kj::AutoCloseFd pidfd;
  kj::UnixEventPort::FdObserver observer;
  kj::ForkedPromise<void> ended;
  bool taken = false, isFresh = false;

  // A readable pidfd of a namespace's init means that every process in it is gone.
  kj::Promise<void> watch() {
    for (;;) {
      pollfd now = {pidfd, POLLIN, 0};
      if (poll(&now, 1, 0) > 0) break;
      co_await observer.whenBecomesReadable();
    }
    collect(pidfd);  // it is our child when nobody else above us collects
    host->tasks.add(removeCgroups(groupsOf(record), host->timer));
  }

  void setState(kj::StringPtr state) {
    record.state = kj::str(state);
    // A box whose folder is gone was removed: there is nothing to write to.
    if (exists(folder)) record.save(folder);
  }

  kj::Promise<void> ask(kj::StringPtr request, kj::StringPtr expected) {
    auto packet = co_await askDaemon(host->io, folder, kj::str(request), STOP_DEADLINE);
    if (packet.text != expected) {
      throwError(ErrorKind::FAILED, kj::str("the sandbox's daemon: ", packet.text));
    }
  }

  kj::Promise<void> freezeOrUndo() {
    kj::Maybe<kj::Exception> problem;
    try {
      if (hasCgroupFreezer(record)) {
        co_await freezeCgroup(record, host->timer);
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

  kj::Promise<void> undoFreeze() {
    try {
      if (hasCgroupFreezer(record)) co_await thawCgroup(record, host->timer);
      setState("running");
    } catch (kj::Exception& e) {
      logError("sandbox ", record.id, " could not be thawed after a failed freeze: ", textOf(e));
    }
  }
};

class BoxesImpl final : public Boxes, private kj::TaskSet::ErrorHandler {
 public:
  explicit BoxesImpl(kj::Own<Host> host) : host(kj::mv(host)), tasks(*this) {}

  kj::Promise<kj::Own<Box>> start(BoxSpec spec) override {
    checkId(spec.id);
    return startBox(kj::mv(spec)).then([](kj::Own<BoxImpl> box) -> kj::Own<Box> {
      box->take();
      return kj::mv(box);
    });
  }
  kj::Maybe<kj::String> whyNotEnforced(const NetworkPolicy& policy) override { return host->whyNotEnforced(policy); }

  kj::Promise<kj::Array<AdoptedBox>> adopt() override {
    kj::Vector<AdoptedBox> result;
    for (auto& id : childrenOf(kj::str(host->dir, "/boxes"))) {
      auto adopted = co_await adoptOne(kj::str(id));
      KJ_IF_MAYBE (box, adopted) result.add(kj::mv(*box));
    }
    host->trash.sweep();
    co_return result.releaseAsArray();
  }

  kj::Promise<void> remove(kj::StringPtr id) override {
    checkId(id);
    auto folder = host->folderOf(id);
    if (isLocked(folder)) {
      throwError(ErrorKind::FAILED, kj::str("sandbox ", id, " is still running"));
    }
    host->discardBox(id);
    return kj::READY_NOW;
  }

  kj::Promise<SnapshotFacts> takeSnapshot(kj::StringPtr id, kj::String snapshot,
                                          kj::Maybe<Box&> running) override {
    checkId(id);
    checkId(snapshot);
    BoxSnapshots::Order order;
    order.id = kj::mv(snapshot);
    order.folder = host->folderOf(id);
    KJ_IF_MAYBE (record, BoxRecord::load(order.folder)) {
      order.layers = record->layers.releaseAsArray();
      order.pidNamespace = record->pidNamespace;
    } else {
      throwError(ErrorKind::NOT_FOUND, kj::str("there is no sandbox ", id));
    }
    return host->snapshots.take(kj::mv(order), running);
  }

  kj::Promise<void> makeDurable(kj::StringPtr snapshot) override {
    return host->snapshots.makeDurable(snapshot);
  }

  void forgetSnapshot(kj::StringPtr snapshot) override { host->snapshots.forget(snapshot); }

  kj::Array<kj::String> keepSnapshots(kj::ArrayPtr<const kj::String> snapshots) override {
    kj::Vector<kj::String> result;
    for (auto& id : host->snapshots.keep(snapshots)) result.add(kj::str(id.c_str()));
    return result.releaseAsArray();
  }

  // Starts a box only to see that it works here, and what of the machine's offers does.
  kj::Promise<void> tryOut() {
    auto marker = kj::str(host->dir, "/isolation-works");
    auto tried = kj::str(host->facts.bootId, ' ', boxImageVersion());
    auto facts = [&]() {
      return kj::str(tried, ' ', host->facts.network, ' ', host->facts.controllers.size(), '\n');
    };
    if (readText(marker) == facts()) co_return;
    for (;;) {
      kj::Maybe<kj::Exception> failure;
      try {
        BoxSpec spec;
        spec.id = kj::str(TRIAL, randomText());
        auto id = kj::str(spec.id);
        auto box = co_await start(kj::mv(spec));
        co_await box->end();
        co_await remove(id);
      } catch (kj::Exception& e) {
        failure = kj::mv(e);
      }
      KJ_IF_MAYBE (e, failure) {
        auto why = textOf(*e);
        bool ofNetwork = strstr(why.cStr(), "slirp4netns") != nullptr || strstr(why.cStr(), "nf_tables") != nullptr;
        if (ofNetwork && host->facts.network) {
          host->facts.network = false;
          host->facts.noNetworkReason = kj::mv(why);
        } else if (host->facts.controllers.size() > 0 && strstr(why.cStr(), "group") != nullptr) {
          logWarning("sandboxes have no limits of memory and CPU: ", why);
          host->facts.controllers.clear();
          host->facts.hasV2 = false;
        } else {
          throwError(ErrorKind::FAILED,
                     kj::str("Local sandboxes cannot be isolated on this machine: ", why));
        }
      } else {
        break;
      }
    }
    // Only what was tried: with other facts, the next start tries again.
    writeText(marker, facts());
  }

 private:
  kj::Own<Host> host;
  std::set<std::string> starting;
  kj::TimePoint masksMade = kj::origin<kj::TimePoint>();
  kj::TaskSet tasks;

  void taskFailed(kj::Exception&& e) override { logError("clearing up after a sandbox: ", textOf(e)); }

  kj::Promise<kj::Own<BoxImpl>> startBox(BoxSpec spec) {
    if (spec.network.hasLists()) {
      KJ_IF_MAYBE (why, host->whyNotEnforced(spec.network)) throwError(ErrorKind::FAILED, *why);
    }
    auto folder = host->folderOf(spec.id);
    if (starting.count(spec.id.cStr()) > 0 || isLocked(folder)) {
      throwError(ErrorKind::INVALID_ARGUMENT, kj::str("sandbox ", spec.id, " is running already"));
    }
    auto turn = starting.insert(spec.id.cStr()).first;
    KJ_DEFER(starting.erase(turn));
    BoxRecord record;
    bool fresh = true;
    KJ_IF_MAYBE (before, BoxRecord::load(folder)) {
      fresh = !before->everRan;
      record.layers = kj::mv(before->layers);
    }
    if (fresh && spec.snapshot.size() > 0) {
      record.layers.clear();
      for (auto& layer : host->snapshots.layersOver(spec.snapshot)) record.layers.add(kj::mv(layer));
    }
    makeFolder(folder);
    refreshMasks();

    record.id = kj::str(spec.id);
    record.instance = randomText();
    record.bootId = kj::str(host->facts.bootId);
    record.state = kj::str("starting");
    record.everRan = !fresh;
    LaunchSpec launch;
    launch.cgroups = cgroupsFor(host->facts, spec, record.instance);
    for (auto& cgroup : launch.cgroups) {
      bool freezer = cgroup.v2 || cgroup.limits.size() == 0;
      record.cgroups.add(BoxRecord::Group{kj::str(cgroup.folder), cgroup.v2, freezer});
    }
    record.save(folder);
    host->standOn(record);

    launch.dir = kj::str(folder);
    launch.id = kj::str(spec.id);
    launch.instance = kj::str(record.instance);
    // Relative to the box's folder: the box can read these names in /proc/mounts.
    launch.skeleton = kj::str("../../layers/", host->skeleton);
    launch.masks = kj::str("../../layers/", host->masks);
    for (auto& layer : record.layers) launch.layers.add(kj::str("../../snapshots/", layer, "/files"));
    launch.range = host->facts.range;
    launch.uidBase = host->facts.uidBase;
    launch.uidCount = host->facts.uidCount;
    launch.log = kj::str(spec.log);
    launch.network = enforcementOf(spec.network);
    launch.network.internet = launch.network.internet && host->facts.network;
    launch.processes = processLimit(spec);

    // Whatever ends this before the box runs leaves the folder as it was before.
    bool running = false;
    KJ_DEFER(if (!running) abandon(record, folder, fresh));
    auto launched = co_await launchBox(host->io, host->image, kj::mv(launch));
    host->tasks.add(
        collectWhenEnded(host->io.unixEventPort, kj::mv(launched.launcher)).ignoreResult());
    record.pidNamespace = launched.pidNamespace;
    record.state = kj::str("running");
    record.everRan = true;
    record.save(folder);
    running = true;
    auto box = kj::heap<BoxImpl>(kj::addRef(*host), kj::mv(record), kj::mv(launched.pidfd));
    if (fresh) box->setFresh();
    co_return kj::mv(box);
  }

  static kj::Vector<kj::String> childrenOf(kj::StringPtr folder) {
    kj::Vector<kj::String> result;
    DIR* stream = opendir(folder.cStr());
    if (stream == nullptr) return result;
    KJ_DEFER(closedir(stream));
    while (dirent* entry = readdir(stream)) {
      if (entry->d_name[0] != '.') result.add(kj::str(entry->d_name));
    }
    return result;
  }

  static kj::String readText(kj::StringPtr path) {
    int fd = open(path.cStr(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return kj::str("");
    kj::AutoCloseFd owned(fd);
    char text[256];
    ssize_t n = read(fd, text, sizeof text);
    return n <= 0 ? kj::str("") : kj::heapString(text, n);
  }

  static void writeText(kj::StringPtr path, kj::StringPtr text) {
    int fd = open(path.cStr(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return;  // then the next start tries again
    kj::FdOutputStream((kj::AutoCloseFd(fd))).write(text.begin(), text.size());
  }

  void abandon(BoxRecord& record, kj::StringPtr folder, bool fresh) {
    host->tasks.add(removeCgroups(groupsOf(record), host->timer));
    auto problem = kj::runCatchingExceptions([&]() {
      if (fresh) {
        host->discardBox(record.id);
      } else {
        record.state = kj::str("stopped");
        record.save(folder);
      }
    });
    KJ_IF_MAYBE (e, problem) logError("after a failed start of a sandbox: ", textOf(*e));
  }

  // The host's files are a live layer of new boxes: what became secret since the last look is masked in these.
  void refreshMasks() {
    auto now = host->timer.now();
    if (masksMade != kj::origin<kj::TimePoint>() && now - masksMade < MASKS_AGE) return;
    host->masks = makeMasks(host->facts, kj::str(host->dir, "/layers"));
    masksMade = now;
  }

  kj::Promise<kj::Maybe<AdoptedBox>> adoptOne(kj::String id) {
    auto folder = host->folderOf(id);
    BoxRecord record;
    bool known = false, isTrial = id.startsWith(TRIAL);
    KJ_IF_MAYBE (loaded, BoxRecord::load(folder)) {
      known = loaded->id == id;
      record = kj::mv(*loaded);
    }
    if (!isLocked(folder)) {
      host->tasks.add(removeCgroups(groupsOf(record), host->timer));
      if (!known || !record.everRan || isTrial) {
        host->discardBox(id);
        co_return nullptr;
      }
      host->standOn(record);
      record.state = kj::str("stopped");
      record.save(folder);
      co_return AdoptedBox{kj::mv(id), nullptr, false};
    }
    bool frozen = record.state == "frozen", paused = record.state == "paused";
    // What a server that died while it took a snapshot had stopped.
    if (paused && hasCgroupFreezer(record)) co_await thawCgroup(record, host->timer);
    kj::AutoCloseFd pidfd;
    if (!frozen || !hasCgroupFreezer(record)) {
      kj::Maybe<Packet> answer;
      try {
        answer = co_await askDaemon(host->io, folder, kj::str("hello\n"), ANSWER_DEADLINE);
      } catch (kj::Exception&) {
        // Hung: it is found without its help below.
      }
      KJ_IF_MAYBE (packet, answer) {
        if (packet->text == kj::str("box ", record.instance, '\n')) pidfd = kj::mv(packet->fd);
      }
    } else {
      KJ_IF_MAYBE (found, findDaemon(folder, record.pidNamespace)) pidfd = kj::mv(*found);
    }
    if (pidfd == nullptr || isTrial) {
      co_await endHung(folder, record);
      if (!record.everRan || !known || isTrial) {
        host->discardBox(id);
        co_return nullptr;
      }
      host->standOn(record);
      record.state = kj::str("stopped");
      record.save(folder);
      co_return AdoptedBox{kj::mv(id), nullptr, false};
    }
    // The daemon may have come up after its server had died.
    if (!standsStill(record)) record.state = kj::str("running");
    record.everRan = true;
    record.save(folder);
    host->standOn(record);
    auto box = kj::heap<BoxImpl>(kj::addRef(*host), kj::mv(record), kj::mv(pidfd));
    box->take();
    if (paused) co_await box->unpause();
    if (frozen) frozen = co_await box->confirmFrozen();
    co_return AdoptedBox{kj::mv(id), kj::Own<Box>(kj::mv(box)), frozen};
  }

  // A daemon that holds the lock and does not answer is of no use: ended, its files kept.
  kj::Promise<void> endHung(kj::StringPtr folderParam, BoxRecord& record) {
    auto folder = kj::str(folderParam);
    KJ_IF_MAYBE (found, findDaemon(folder, record.pidNamespace)) {
      logWarning("ending sandbox ", record.id, ": its daemon does not answer");
      BoxImpl box(kj::addRef(*host), record.clone(), kj::mv(*found));
      box.take();
      co_await box.end();
    }
  }
};

}  // namespace

kj::Promise<kj::Own<Boxes>> newBoxes(kj::AsyncIoContext& io, kj::StringPtr dirParam) {
  auto dir = kj::str(dirParam);
  makeFolder(dir);
  char* absolute = realpath(dir.cStr(), nullptr);
  if (absolute == nullptr) {
    throwError(ErrorKind::FAILED, kj::str("cannot use ", dir, ": ", strerror(errno)));
  }
  dir = kj::str(absolute);
  free(absolute);
  KJ_SYSCALL(chmod(dir.cStr(), 0700), dir);

  int fd = open(kj::str(dir, "/server.lock").cStr(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throwError(ErrorKind::FAILED, kj::str("cannot use ", dir, ": ", strerror(errno)));
  kj::AutoCloseFd lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
    throwError(ErrorKind::FAILED,
               kj::str("another server uses the sandboxes in ", dir,
                       ": stop it, or choose another directory"));
  }
  auto host = kj::refcounted<Host>(io, dir);
  host->serverLock = kj::mv(lock);
  for (kj::StringPtr name : {"boxes"_kj, "snapshots"_kj, "layers"_kj}) {
    makeFolder(kj::str(dir, '/', name));
  }
  host->snapshots.load();
  sweepCgroups(host->facts);
  auto layers = kj::str(dir, "/layers");
  host->skeleton = makeSkeleton(host->facts, layers);

  auto boxes = kj::heap<BoxesImpl>(kj::addRef(*host));
  co_await boxes->tryOut();
  if (!host->facts.network) {
    logWarning("sandboxes have no internet: ", host->facts.noNetworkReason);
  }
  co_return kj::mv(boxes);
}

}  // namespace sandbridge::localcloud
