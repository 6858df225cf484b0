#include "localcloud/box-server.h"
#include "localcloud/running-box.h"

#include "base/coroutine.h"
#include "localcloud/box-control.h"
#include "localcloud/box-freezer.h"
#include "localcloud/box-groups.h"
#include "localcloud/box-launch.h"
#include "localcloud/box-network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/encoding.h>

#include <set>
#include <string>

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration ANSWER_DEADLINE = 3 * kj::SECONDS;

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

class BoxesImpl final : public Boxes, private kj::TaskSet::ErrorHandler {
 public:
  explicit BoxesImpl(kj::Own<BoxServer> server) : server(kj::mv(server)), tasks(*this) {}

  kj::Promise<kj::Own<Box>> start(BoxSpec spec) override {
    checkId(spec.id);
    return startBox(kj::mv(spec)).then([](kj::Own<RunningBox> box) -> kj::Own<Box> {
      box->take();
      return kj::mv(box);
    });
  }
  kj::Maybe<kj::String> whyNotEnforced(const NetworkPolicy& policy) override { return server->whyNotEnforced(policy); }

  kj::Promise<kj::Array<AdoptedBox>> adopt() override {
    kj::Vector<AdoptedBox> result;
    for (auto& id : childrenOf(kj::str(server->dir, "/boxes"))) {
      auto adopted = co_await adoptOne(kj::str(id));
      KJ_IF_MAYBE (box, adopted) result.add(kj::mv(*box));
    }
    server->trash.sweep();
    co_return result.releaseAsArray();
  }

  kj::Promise<void> remove(kj::StringPtr id) override {
    checkId(id);
    auto folder = server->folderOf(id);
    if (isLocked(folder)) {
      throwError(ErrorKind::FAILED, kj::str("sandbox ", id, " is still running"));
    }
    server->discardBox(id);
    return kj::READY_NOW;
  }

  kj::Promise<SnapshotFacts> takeSnapshot(kj::StringPtr id, kj::String snapshot,
                                          kj::Maybe<Box&> running) override {
    checkId(id);
    checkId(snapshot);
    BoxSnapshots::Order order;
    order.id = kj::mv(snapshot);
    order.folder = server->folderOf(id);
    KJ_IF_MAYBE (record, BoxRecord::load(order.folder)) {
      order.layers = record->layers.releaseAsArray();
      order.pidNamespace = record->pidNamespace;
    } else {
      throwError(ErrorKind::NOT_FOUND, kj::str("there is no sandbox ", id));
    }
    return server->snapshots.take(kj::mv(order), running);
  }

  kj::Promise<void> makeDurable(kj::StringPtr snapshot) override {
    return server->snapshots.makeDurable(snapshot);
  }

  void forgetSnapshot(kj::StringPtr snapshot) override { server->snapshots.forget(snapshot); }

  kj::Array<kj::String> keepSnapshots(kj::ArrayPtr<const kj::String> snapshots) override {
    kj::Vector<kj::String> result;
    for (auto& id : server->snapshots.keep(snapshots)) result.add(kj::str(id.c_str()));
    return result.releaseAsArray();
  }

  // Starts a box only to see that it works here, and what of the machine's offers does.
  kj::Promise<void> tryOut() {
    auto marker = kj::str(server->dir, "/isolation-works");
    auto tried = kj::str(server->facts.bootId, ' ', boxImageVersion());
    auto facts = [&]() {
      return kj::str(tried, ' ', server->facts.network, ' ', server->facts.controllers.size(), '\n');
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
        if (ofNetwork && server->facts.network) {
          server->facts.network = false;
          server->facts.noNetworkReason = kj::mv(why);
        } else if (server->facts.controllers.size() > 0 && strstr(why.cStr(), "group") != nullptr) {
          logWarning("sandboxes have no limits of memory and CPU: ", why);
          server->facts.controllers.clear();
          server->facts.hasV2 = false;
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
  kj::Own<BoxServer> server;
  std::set<std::string> starting;
  kj::TimePoint masksMade = kj::origin<kj::TimePoint>();
  kj::TaskSet tasks;

  void taskFailed(kj::Exception&& e) override { logError("clearing up after a sandbox: ", textOf(e)); }

  kj::Promise<kj::Own<RunningBox>> startBox(BoxSpec spec) {
    if (spec.network.hasLists()) {
      KJ_IF_MAYBE (why, server->whyNotEnforced(spec.network)) throwError(ErrorKind::FAILED, *why);
    }
    auto folder = server->folderOf(spec.id);
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
      for (auto& layer : server->snapshots.layersOver(spec.snapshot)) record.layers.add(kj::mv(layer));
    }
    makeFolder(folder);
    refreshMasks();

    record.id = kj::str(spec.id);
    record.instance = randomText();
    record.bootId = kj::str(server->facts.bootId);
    record.state = kj::str("starting");
    record.everRan = !fresh;
    LaunchSpec launch;
    launch.cgroups = cgroupsFor(server->facts, spec, record.instance);
    for (auto& cgroup : launch.cgroups) {
      bool freezer = cgroup.v2 || cgroup.limits.size() == 0;
      record.cgroups.add(BoxRecord::Group{kj::str(cgroup.folder), cgroup.v2, freezer});
    }
    record.save(folder);
    server->standOn(record);

    launch.dir = kj::str(folder);
    launch.id = kj::str(spec.id);
    launch.instance = kj::str(record.instance);
    // Relative to the box's folder: the box can read these names in /proc/mounts.
    launch.skeleton = kj::str("../../layers/", server->skeleton);
    launch.masks = kj::str("../../layers/", server->masks);
    for (auto& layer : record.layers) launch.layers.add(kj::str("../../snapshots/", layer, "/files"));
    launch.range = server->facts.range;
    launch.uidBase = server->facts.uidBase;
    launch.uidCount = server->facts.uidCount;
    launch.log = kj::str(spec.log);
    launch.network = enforcementOf(spec.network);
    launch.network.internet = launch.network.internet && server->facts.network;
    launch.processes = processLimit(spec);

    // Whatever ends this before the box runs leaves the folder as it was before.
    bool running = false;
    KJ_DEFER(if (!running) abandon(record, folder, fresh));
    auto launched = co_await launchBox(server->io, server->image, kj::mv(launch));
    server->tasks.add(
        collectWhenEnded(server->io.unixEventPort, kj::mv(launched.launcher)).ignoreResult());
    record.pidNamespace = launched.pidNamespace;
    record.state = kj::str("running");
    record.everRan = true;
    record.save(folder);
    running = true;
    auto box = kj::heap<RunningBox>(kj::addRef(*server), kj::mv(record), kj::mv(launched.pidfd));
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
    server->tasks.add(removeCgroups(groupsOf(record), server->timer));
    auto problem = kj::runCatchingExceptions([&]() {
      if (fresh) {
        server->discardBox(record.id);
      } else {
        record.state = kj::str("stopped");
        record.save(folder);
      }
    });
    KJ_IF_MAYBE (e, problem) logError("after a failed start of a sandbox: ", textOf(*e));
  }

  // The host's files are a live layer of new boxes: what became secret since the last look is masked in these.
  void refreshMasks() {
    auto now = server->timer.now();
    if (masksMade != kj::origin<kj::TimePoint>() && now - masksMade < MASKS_AGE) return;
    server->masks = makeMasks(server->facts, kj::str(server->dir, "/layers"));
    masksMade = now;
  }

  kj::Promise<kj::Maybe<AdoptedBox>> adoptOne(kj::String id) {
    auto folder = server->folderOf(id);
    BoxRecord record;
    bool known = false, isTrial = id.startsWith(TRIAL);
    KJ_IF_MAYBE (loaded, BoxRecord::load(folder)) {
      known = loaded->id == id;
      record = kj::mv(*loaded);
    }
    if (!isLocked(folder)) {
      server->tasks.add(removeCgroups(groupsOf(record), server->timer));
      if (!known || !record.everRan || isTrial) {
        server->discardBox(id);
        co_return nullptr;
      }
      server->standOn(record);
      record.state = kj::str("stopped");
      record.save(folder);
      co_return AdoptedBox{kj::mv(id), nullptr, false};
    }
    bool frozen = record.state == "frozen", paused = record.state == "paused";
    // What a server that died while it took a snapshot had stopped.
    if (paused && hasCgroupFreezer(record)) co_await thawCgroup(record, server->timer);
    kj::AutoCloseFd pidfd;
    if (!frozen || !hasCgroupFreezer(record)) {
      kj::Maybe<Packet> answer;
      try {
        answer = co_await askDaemon(server->io, folder, kj::str("hello\n"), ANSWER_DEADLINE);
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
        server->discardBox(id);
        co_return nullptr;
      }
      server->standOn(record);
      record.state = kj::str("stopped");
      record.save(folder);
      co_return AdoptedBox{kj::mv(id), nullptr, false};
    }
    // The daemon may have come up after its server had died.
    if (!standsStill(record)) record.state = kj::str("running");
    record.everRan = true;
    record.save(folder);
    server->standOn(record);
    auto box = kj::heap<RunningBox>(kj::addRef(*server), kj::mv(record), kj::mv(pidfd));
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
      RunningBox box(kj::addRef(*server), record.clone(), kj::mv(*found));
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
  auto server = kj::refcounted<BoxServer>(io, dir);
  server->serverLock = kj::mv(lock);
  for (kj::StringPtr name : {"boxes"_kj, "snapshots"_kj, "layers"_kj}) {
    makeFolder(kj::str(dir, '/', name));
  }
  server->snapshots.load();
  sweepCgroups(server->facts);
  auto layers = kj::str(dir, "/layers");
  server->skeleton = makeSkeleton(server->facts, layers);

  auto boxes = kj::heap<BoxesImpl>(kj::addRef(*server));
  co_await boxes->tryOut();
  if (!server->facts.network) {
    logWarning("sandboxes have no internet: ", server->facts.noNetworkReason);
  }
  co_return kj::mv(boxes);
}

}  // namespace sandbridge::localcloud
