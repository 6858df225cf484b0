#include "box-snapshots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kj/async-unix.h>
#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "box-control.h"
#include "box-image.h"
#include "box-launch.h"
#include "snapshot-spec.h"

namespace sandbridge::localcloud {

namespace {

// The first copy, while the box runs: a disk's worth of files.
constexpr kj::Duration COPY_DEADLINE = 30 * kj::MINUTES;
// The box stands still: better no snapshot than a sandbox that hangs.
constexpr kj::Duration PAUSE_DEADLINE = 30 * kj::SECONDS;
constexpr kj::Duration SYNC_DEADLINE = 10 * kj::MINUTES;

constexpr kj::StringPtr MAKING = ".making-"_kj;

// The layers of a mount are named in one page of options; and a name that is nowhere is looked for in each of them.
constexpr size_t MAX_LAYERS = 24;

// The process that copies. It ends with this, whatever it is doing.
class Helper {
 public:
  Helper(kj::AsyncIoContext& io, int image, const SnapshotSpec& spec)
      : timer(io.lowLevelProvider->getTimer()), port(io.unixEventPort) {
    int pair[2];
    KJ_SYSCALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    socket = kj::AutoCloseFd(pair[0]);
    kj::AutoCloseFd theirs(pair[1]);
    kj::Vector<kj::String> arguments;
    arguments.add(kj::str("snapshot"));
    arguments.add(kj::str(3));
    for (auto& argument : spec.toArguments()) arguments.add(kj::mv(argument));
    process = spawnBoxImage(image, arguments, {theirs.get()});
    observer = kj::heap<kj::UnixEventPort::FdObserver>(port, socket,
                                                       kj::UnixEventPort::FdObserver::OBSERVE_READ);
  }
  ~Helper() noexcept {
    syscall(SYS_pidfd_send_signal, static_cast<int>(process), SIGKILL, nullptr, 0);
    pollfd wait = {process, POLLIN, 0};
    poll(&wait, 1, 1000);
    collect(process);
  }
  KJ_DISALLOW_COPY(Helper);

  void say(kj::StringPtr text) {
    // A packet into an empty buffer: never blocks. One that has ended is noticed by hear().
    (void)!send(socket, text.begin(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  // The next packet, which has to begin like this.
  kj::Promise<kj::String> hear(kj::StringPtr expected, kj::Duration deadline) {
    auto end = timer.now() + deadline;
    for (;;) {
      pollfd now = {socket, POLLIN, 0};
      if (poll(&now, 1, 0) > 0) break;
      bool late = co_await observer->whenBecomesReadable()
                      .then([]() { return false; })
                      .exclusiveJoin(timer.atTime(end).then([]() { return true; }));
      if (late) throwError(ErrorKind::FAILED, "the copy of the sandbox's files takes too long");
    }
    auto packet = receivePacket(socket);
    KJ_IF_MAYBE (p, packet) {
      if (p->text.startsWith(expected)) co_return kj::mv(p->text);
      if (p->text.startsWith("error ")) throwError(ErrorKind::FAILED, p->text.slice(6));
    }
    throwError(ErrorKind::FAILED, "the copy of the sandbox's files ended early");
  }

 private:
  kj::Timer& timer;
  kj::UnixEventPort& port;
  kj::AutoCloseFd socket, process;
  kj::Own<kj::UnixEventPort::FdObserver> observer;
};

// The exception instead of a rejection, because `co_await` cannot stand in a catch block.
kj::Promise<kj::Maybe<kj::Exception>> outcomeOf(kj::Promise<void> promise) {
  return promise.then([]() -> kj::Maybe<kj::Exception> { return nullptr; },
                      [](kj::Exception&& e) -> kj::Maybe<kj::Exception> { return kj::mv(e); });
}

kj::Promise<void> copyPaused(Helper& helper, Box& box) {
  co_await box.pause();
  helper.say("paused");
  co_await helper.hear("taken", PAUSE_DEADLINE);
}

}  // namespace

BoxSnapshots::BoxSnapshots(kj::AsyncIoContext& io, kj::StringPtr dir, const BoxHost& facts, int image,
                           kj::Function<void(kj::StringPtr)> discard)
    : io(io), dir(kj::str(dir)), facts(facts), image(image), discard(kj::mv(discard)) {}

// The files are owned by host ids that depend on who runs the server, and marked in that one's way.
kj::String BoxSnapshots::owner() const {
  return kj::str(facts.range ? "range " : "user ", facts.uidBase);
}

void BoxSnapshots::load() {
  DIR* stream = opendir(dir.cStr());
  if (stream == nullptr) KJ_FAIL_SYSCALL("opendir", errno, dir);
  KJ_DEFER(closedir(stream));
  while (dirent* item = readdir(stream)) {
    kj::StringPtr name = item->d_name;
    if (name == "." || name == "..") continue;
    auto folder = folderOf(name);
    if (name.startsWith(MAKING)) {
      discard(folder);
      continue;
    }
    KJ_IF_MAYBE (entry, loadEntry(folder)) {
      entries[name.cStr()] = kj::mv(*entry);
    } else {
      logError("the snapshot in ", folder, " is damaged and left alone");
    }
  }
  for (auto& entry : entries) {
    for (auto& layer : entry.second.layers) {
      auto below = entries.find(layer.cStr());
      if (below != entries.end()) below->second.users++;
    }
  }
}

kj::Array<kj::String> BoxSnapshots::layersOver(kj::StringPtr id) {
  auto found = entries.find(id.cStr());
  if (found == entries.end()) throwError(ErrorKind::NOT_FOUND, kj::str("the files of snapshot ", id, " are gone"));
  auto& entry = found->second;
  if (entry.owner != owner()) {
    throwError(ErrorKind::FAILED,
               kj::str("snapshot ", id, " was made by a server of another user (", entry.owner,
                       ", this one is ", owner(), ")"));
  }
  auto result = kj::heapArrayBuilder<kj::String>(1 + entry.layers.size());
  result.add(kj::str(id));
  for (auto& layer : entry.layers) result.add(kj::str(layer));
  return result.finish();
}

void BoxSnapshots::use(kj::ArrayPtr<const kj::String> layers) {
  for (auto& layer : layers) {
    auto found = entries.find(layer.cStr());
    if (found != entries.end()) found->second.users++;
  }
}

void BoxSnapshots::release(kj::ArrayPtr<const kj::String> layers) {
  for (auto& layer : layers) {
    auto found = entries.find(layer.cStr());
    if (found != entries.end() && found->second.users > 0) found->second.users--;
  }
  removeUnused();
}

void BoxSnapshots::removeUnused() {
  for (bool again = true; again;) {
    again = false;
    for (auto i = entries.begin(); i != entries.end(); ++i) {
      if (i->second.wanted || i->second.users > 0) continue;
      discard(folderOf(i->first.c_str()));
      for (auto& layer : i->second.layers) {
        auto below = entries.find(layer.cStr());
        if (below != entries.end() && below->second.users > 0) below->second.users--;
      }
      entries.erase(i);
      again = true;
      break;
    }
  }
}

void BoxSnapshots::forget(kj::StringPtr id) {
  auto found = entries.find(id.cStr());
  if (found == entries.end()) return;
  found->second.wanted = false;
  removeUnused();
}

std::set<std::string> BoxSnapshots::keep(kj::ArrayPtr<const kj::String> ids) {
  std::set<std::string> asked, result;
  for (auto& id : ids) asked.insert(id.cStr());
  for (auto& entry : entries) {
    entry.second.wanted = asked.count(entry.first) > 0;
    if (entry.second.wanted) result.insert(entry.first);
  }
  removeUnused();
  return result;
}

kj::Promise<SnapshotFacts> BoxSnapshots::take(Order order, kj::Maybe<Box&> running) {
  SnapshotSpec spec;
  spec.id = kj::str(order.id);
  spec.box = kj::str(order.folder);
  spec.making = kj::str(dir, '/', MAKING, order.id);
  spec.snapshots = kj::str(dir);
  spec.pidNamespace = running == nullptr ? 0 : order.pidNamespace;
  spec.range = facts.range;

  Entry entry;
  entry.owner = owner();
  for (auto& layer : order.layers) entry.layers.add(kj::str(layer));
  if (entry.layers.size() + 1 > MAX_LAYERS) {
    throwError(ErrorKind::FAILED, kj::str("this sandbox stands on ", MAX_LAYERS, " snapshots of one another, which is the limit: copy its files into a new sandbox"));
  }
  // Those below stay while it is made, whoever forgets them.
  use(entry.layers);
  bool done = false;
  KJ_DEFER(if (!done) release(entry.layers));
  if (mkdir(spec.making.cStr(), 0700) < 0) KJ_FAIL_SYSCALL("mkdir", errno, spec.making);
  KJ_DEFER(if (!done) discard(spec.making));

  Helper helper(io, image, spec);
  SnapshotFacts facts;
  auto& timer = io.lowLevelProvider->getTimer();
  KJ_IF_MAYBE (box, running) {
    co_await helper.hear("copied", COPY_DEADLINE);
    auto begin = timer.now();
    auto failure = co_await outcomeOf(copyPaused(helper, *box));
    co_await box->unpause();
    facts.paused = timer.now() - begin;
    KJ_IF_MAYBE (e, failure) kj::throwFatalException(kj::mv(*e));
  } else {
    co_await helper.hear("taken", COPY_DEADLINE);
  }
  auto answer = co_await helper.hear("done ", COPY_DEADLINE);
  auto json = parseJson(answer.slice(5));
  facts.bytes = getInt(json, "bytes").orDefault(0);
  facts.files = getInt(json, "files").orDefault(0);
  facts.copied = getInt(json, "copied").orDefault(0);

  save(spec.making, entry);
  auto folder = folderOf(order.id);
  KJ_SYSCALL(rename(spec.making.cStr(), folder.cStr()), folder);
  done = true;
  entries[order.id.cStr()] = kj::mv(entry);
  // Without it the box's next snapshot copies everything.
  auto index = kj::str(folder, "/index"), place = kj::str(order.folder, '/', SNAPSHOT_INDEX);
  if (rename(index.cStr(), place.cStr()) < 0) {
    logWarning("the index of snapshot ", order.id, " could not be kept: ", strerror(errno));
  }
  co_return facts;
}

kj::Promise<void> BoxSnapshots::makeDurable(kj::StringPtr id) {
  kj::Vector<kj::String> arguments;
  arguments.add(kj::str("sync"));
  arguments.add(folderOf(id));
  bool synced = co_await io.lowLevelProvider->getTimer().timeoutAfter(
      SYNC_DEADLINE, collectWhenEnded(io.unixEventPort, spawnBoxImage(image, arguments)));
  if (!synced) throwError(ErrorKind::FAILED, "the snapshot could not be written to the disk");
}

void BoxSnapshots::save(kj::StringPtr folder, const Entry& entry) {
  JsonWriter json;
  json.beginObject().field("owner", entry.owner).key("layers").beginArray();
  for (auto& layer : entry.layers) json.value(layer);
  json.endArray().endObject();
  auto text = json.finish();
  auto path = kj::str(folder, "/snapshot.json");
  int fd = open(path.cStr(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) KJ_FAIL_SYSCALL("open", errno, path);
  kj::FdOutputStream((kj::AutoCloseFd(fd))).write(text.begin(), text.size());
}

kj::Maybe<BoxSnapshots::Entry> BoxSnapshots::loadEntry(kj::StringPtr folder) {
  int fd = open(kj::str(folder, "/snapshot.json").cStr(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return nullptr;
  constexpr uint64_t MAX_BYTES = 64 << 10;
  auto text = kj::FdInputStream((kj::AutoCloseFd(fd))).readAllText(MAX_BYTES);
  auto parsed = tryParseJson(text);
  KJ_IF_MAYBE (json, parsed) {
    Entry entry;
    KJ_IF_MAYBE (owner, getString(*json, "owner")) {
      entry.owner = kj::str(*owner);
    } else {
      return nullptr;
    }
    KJ_IF_MAYBE (layers, getArray(*json, "layers")) {
      for (auto& layer : layers->GetArray()) {
        if (!layer.IsString()) return nullptr;
        entry.layers.add(kj::heapString(stringOf(layer)));
      }
      return kj::mv(entry);
    }
  }
  return nullptr;
}

}  // namespace sandbridge::localcloud
