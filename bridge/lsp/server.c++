#include "lsp/server.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/ids.h"
#include "tools/paths.h"
#include "tools/text.h"

#include <signal.h>

#include <algorithm>

namespace sandbridge::lsp {

namespace {

// Longer than the slowest server takes; OpenCode's own.
constexpr kj::Duration READY_TIMEOUT = 45 * kj::SECONDS;
// What a server does not take off our hands.
constexpr size_t MAX_OUTGOING = 16u << 20;
// Open files. The one that was changed the longest time ago is closed for another.
constexpr size_t MOST_DOCUMENTS = 64;
// Files of which something is known.
constexpr size_t MOST_FILES = 256;

// $1 a directory, $2 the kind's name, then the server and its arguments. A server of a bridge that is gone would stay for
// ever, so the one before is ended, known by its PID and when it started. Only what any POSIX shell,
// busybox and /proc have.
constexpr kj::StringPtr START_SCRIPT = R"sh(
directory=$1 file=$1/$2
shift 2
command -v "$1" >/dev/null 2>&1 || exit 127
started() {
  read -r stat 2>/dev/null <"/proc/$1/stat" || return
  set -- ${stat##*) }
  echo "${20}"
}
if { read -r pid start <"$file"; } 2>/dev/null && [ -n "$start" ] && [ "$(started "$pid")" = "$start" ]; then
  kill "$pid" 2>/dev/null
fi
(umask 077 && mkdir -p "$directory" && echo "$$ $(started $$)" >"$file") 2>/dev/null
exec "$@"
)sh"_kj;

// How long a server that does not take its input may take to end.
constexpr kj::Duration END_TIMEOUT = 2 * kj::SECONDS;

kj::Exception complaint(kj::StringPtr what) {
  return makeError(ErrorKind::FAILED, kj::str("the language server ", what, "."));
}

// One folder a workspace, not in the workspace, which is the user's.
constexpr kj::StringPtr DIRECTORY = "/tmp/.sandbridge/servers-"_kj;

[[noreturn]] void refuse(kj::StringPtr what) { kj::throwFatalException(complaint(what)); }

}  // namespace

Server::Server(Workspace& workspace, kj::Timer& timer, const ServerKind& kind,
               kj::Function<void()> onNews)
    : workspace(workspace),
      timer(timer),
      kind(kind),
      onNews(kj::mv(onNews)),
      root(kj::heapString(workspace.root())) {}

kj::Promise<ExitStatus> Server::run() {
  auto readiness = kj::newPromiseAndFulfiller<void>();
  ready = kj::mv(readiness.fulfiller);
  auto waking = kj::newPromiseAndFulfiller<void>();
  wake = kj::mv(waking.fulfiller);
  auto failing = kj::newPromiseAndFulfiller<void>();
  failure = kj::mv(failing.fulfiller);
  send(initializeRequest(root));

  KJ_DEFER(process = nullptr);
  WorkspaceCommand command;
  kj::Vector<kj::String> argv;
  for (auto word : {"sh"_kj, "-c"_kj, START_SCRIPT, "sh"_kj}) argv.add(kj::str(word));
  argv.add(kj::str(DIRECTORY, sha256Hex(root).slice(0, 16)));
  argv.add(kj::str(kind.name));
  for (auto word : kind.argv) argv.add(kj::str(word));
  command.argv = argv.releaseAsArray();
  command.keepStdin = true;
  process = co_await workspace.start(kj::mv(command), *this);

  auto late = readiness.promise.exclusiveJoin(timer.afterDelay(READY_TIMEOUT).then([]() {
    refuse("does not get ready");
  }));
  auto never = [](kj::Promise<void> promise) {
    return promise.then([]() -> kj::Promise<ExitStatus> { return kj::NEVER_DONE; });
  };
  co_return co_await KJ_ASSERT_NONNULL(process)
      ->wait()
      .exclusiveJoin(never(kj::mv(late)))
      .exclusiveJoin(never(kj::mv(failing.promise)))
      .exclusiveJoin(never(write(kj::mv(waking.promise))));
}

kj::Promise<void> Server::terminate() {
  KJ_IF_MAYBE (p, process) return (*p)->signal(SIGTERM);
  return kj::READY_NOW;
}

void Server::fail(kj::Exception reason) {
  hasFailed = true;
  failure->reject(kj::mv(reason));
}

void Server::send(kj::StringPtr message) {
  auto framed = frame(message);
  if (outgoing.size() + sending + framed.size() > MAX_OUTGOING) {
    return fail(complaint("does not take what it is sent"));
  }
  outgoing.addAll(framed.asBytes());
  wake->fulfill();
}

// What has to wait until the server is ready.
void Server::tell(kj::String message) {
  if (isReady) return send(message);
  earlyBytes += message.size();
  if (earlyBytes > MAX_OUTGOING) return fail(complaint("does not get ready"));
  early.add(kj::mv(message));
}

kj::Promise<void> Server::write(kj::Promise<void> more) {
  for (;;) {
    co_await more;
    auto waking = kj::newPromiseAndFulfiller<void>();
    wake = kj::mv(waking.fulfiller);
    more = kj::mv(waking.promise);
    // All at once: each write is a round trip.
    auto bytes = outgoing.releaseAsArray();
    outgoing = kj::Vector<kj::byte>();
    sending = bytes.size();
    kj::Maybe<kj::Exception> lost;
    try {
      co_await KJ_ASSERT_NONNULL(process)->writeStdin(bytes);
    } catch (kj::Exception& e) {
      lost = kj::mv(e);
    }
    KJ_IF_MAYBE (e, lost) {
      // Most likely it has ended, and how is worth more.
      co_await timer.afterDelay(END_TIMEOUT);
      kj::throwFatalException(kj::mv(*e));
    }
    sending = 0;
  }
}

void Server::change(const std::string& path, kj::StringPtr language, kj::StringPtr text) {
  forget(path);
  auto [entry, isNew] = documents.try_emplace(path);
  auto& document = entry->second;
  document.use = ++uses;
  document.answered = nullptr;
  tell(watchedNotification(path, isNew ? FileEvent::CREATED : FileEvent::CHANGED));
  if (!isNew) return tell(changeNotification(path, ++document.version, text));
  document.isPartial = kind.firstIsPartial;
  tell(openNotification(path, language, document.version, text));
  if (documents.size() <= MOST_DOCUMENTS) return;
  auto oldest = std::min_element(documents.begin(), documents.end(), [](auto& a, auto& b) {
    return a.second.use < b.second.use;
  });
  tell(closeNotification(oldest->first));
  documents.erase(oldest);
}

void Server::remove(const std::string& path) {
  forget(path);
  if (documents.erase(path) == 0) return;
  tell(closeNotification(path));
  tell(watchedNotification(path, FileEvent::DELETED));
}

kj::Maybe<kj::TimePoint> Server::answered(const std::string& path) const {
  auto found = documents.find(path);
  // What is not open any more waits for nothing.
  if (found == documents.end()) return timer.now();
  return found->second.answered;
}

// The file keeps its place among the others.
void Server::forget(const std::string& path) {
  for (auto& file : files) {
    if (file.path == path) file = FileDiagnostics{path};
  }
}

kj::Promise<void> Server::stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) {
  if (hasFailed) return kj::READY_NOW;
  try {
    kj::Vector<kj::String> messages;
    parser.feed(bytes, messages);
    for (auto& message : messages) take(message);
  } catch (kj::Exception& e) {
    fail(kj::mv(e));
  }
  return kj::READY_NOW;
}

void Server::take(kj::StringPtr text) {
  auto document = tryParseJson(text);
  if (document == nullptr) refuse("sent what is not JSON");
  auto& message = KJ_ASSERT_NONNULL(document);
  if (!message.IsObject()) refuse("sent what is no message");
  auto id = getMember(message, "id");
  KJ_IF_MAYBE (method, getString(message, "method")) {
    auto params = getMember(message, "params");
    KJ_IF_MAYBE (i, id) {
      if (!i->IsInt64() && !i->IsString()) refuse("sent what is no message");
      send(answerTo(*method, *i, params, root));
    } else if (*method == "textDocument/publishDiagnostics") {
      KJ_IF_MAYBE (p, params) {
        KJ_IF_MAYBE (published, readPublished(*p)) note(kj::mv(*published));
      }
    }
    return;
  }
  if (isReady || getInt(message, "id").orDefault(0) != INITIALIZE_ID) return;
  if (getMember(message, "error") != nullptr) refuse("could not begin its work");
  send(initializedNotification());
  isReady = true;
  for (auto& waiting : early) send(waiting);
  early.clear();
  ready->fulfill();
}

void Server::note(Published published) {
  auto path = published.file.path;
  if (!isInside(view(root), path)) return;
  auto found = documents.find(path);
  if (found != documents.end()) {
    auto& document = found->second;
    KJ_IF_MAYBE (version, published.version) {
      // Of what the file was before.
      if (*version != document.version) return;
    }
    if (document.isPartial) {
      document.isPartial = false;
    } else {
      document.answered = timer.now();
    }
  }
  auto known = std::find_if(files.begin(), files.end(), [&](auto& file) { return file.path == path; });
  if (known != files.end()) {
    *known = kj::mv(published.file);
  } else {
    if (files.size() == MOST_FILES) {
      auto empty = std::find_if(files.begin(), files.end(), [](auto& file) { return file.list.empty(); });
      files.erase(empty == files.end() ? files.begin() : empty);
    }
    files.push_back(kj::mv(published.file));
  }
  onNews();
}

}  // namespace sandbridge::lsp
