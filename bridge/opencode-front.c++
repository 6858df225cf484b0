#include "opencode-front.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "command-line.h"
#include "net/http-server.h"

#include <kj/debug.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

namespace sandbridge {
namespace {

// Between two starts of an OpenCode that keeps ending: doubled each time, and back to the first after a good run.
constexpr kj::Duration FIRST_PAUSE = 1 * kj::SECONDS;
constexpr kj::Duration LONGEST_PAUSE = 60 * kj::SECONDS;
constexpr kj::Duration GOOD_RUN = 60 * kj::SECONDS;

}  // namespace

// One run of OpenCode; requests under way keep it after its end.
struct OpenCodeFront::Target final : public kj::Refcounted {
  explicit Target(kj::Own<kj::HttpService> proxy): proxy(kj::mv(proxy)) {}
  kj::Own<kj::HttpService> proxy;
};

OpenCodeFront::OpenCodeFront(kj::AsyncIoContext& io, const kj::HttpHeaderTable& table, Options options)
    : io(io), table(table), options(kj::mv(options)) {}
OpenCodeFront::~OpenCodeFront() noexcept(false) {}

kj::Promise<void> OpenCodeFront::onStarted() {
  return kj::mv(started.promise);
}

kj::Promise<void> OpenCodeFront::run() {
  auto& timer = io.provider->getTimer();
  auto pause = FIRST_PAUSE;
  bool hasStarted = false;
  for (;;) {
    auto begin = timer.now();
    kj::String reason;
    try {
      co_await runOnce(hasStarted);
      reason = kj::str("it has ended");
    } catch (kj::Exception& e) {
      if (!hasStarted) throw;
      reason = textOf(e);
    }
    current = nullptr;
    if (timer.now() - begin > GOOD_RUN) pause = FIRST_PAUSE;
    logError("OpenCode is down: ", reason, "; starting it again in ", pause / kj::SECONDS, " s");
    co_await timer.afterDelay(pause);
    pause = kj::min(pause * 2, LONGEST_PAUSE);
  }
}

kj::Promise<void> OpenCodeFront::runOnce(bool& hasStarted) {
  auto server = co_await startOpenCode(io, copyOptions());
  current = kj::refcounted<Target>(newReverseProxy(io.provider->getTimer(), io.provider->getNetwork(),
                                                   table, *server, options.anyHost));
  if (!hasStarted) started.fulfiller->fulfill();
  hasStarted = true;
  co_await server->onExit();
}

kj::Promise<void> OpenCodeFront::request(kj::HttpMethod method, kj::StringPtr url,
                                         const kj::HttpHeaders& headers,
                                         kj::AsyncInputStream& requestBody, Response& response) {
  KJ_IF_MAYBE(target, current) {
    auto held = kj::addRef(**target);
    auto promise = held->proxy->request(method, url, headers, requestBody, response);
    return promise.attach(kj::mv(held));
  }
  return respondText(response, table, 503, "Service Unavailable",
                     "OpenCode is starting. Try again in a moment.\n");
}

OpenCodeFront::Options OpenCodeFront::copyOptions() {
  return {kj::str(options.command), kj::str(options.bridgeUrl), kj::str(options.tokenFile),
          kj::str(options.pluginPath), kj::str(options.stateDir), options.anyHost};
}

kj::String absolutePath(kj::StringPtr path) {
  if (path.startsWith("/")) return kj::str(path);
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof(directory)) == nullptr) {
    throwError(ErrorKind::FAILED, "the current directory is gone; give absolute paths");
  }
  return kj::str(directory, "/", path);
}

kj::String findPlugin(kj::StringPtr given) {
  kj::String folder;
  if (given.size() > 0) {
    folder = absolutePath(given);
  } else KJ_IF_MAYBE(named, environment("SANDBRIDGE_PLUGIN")) {
    folder = absolutePath(*named);
  } else {
    char program[PATH_MAX];
    auto length = readlink("/proc/self/exe", program, sizeof(program));
    KJ_ASSERT(length > 0 && length < PATH_MAX);
    auto path = kj::heapString(program, length);
    folder = kj::str(path.slice(0, KJ_ASSERT_NONNULL(path.findLast('/'))), "/../plugin");
  }
  char resolved[PATH_MAX];
  if (realpath(folder.cStr(), resolved) == nullptr ||
      access(kj::str(resolved, "/package.json").cStr(), R_OK) != 0) {
    throwError(ErrorKind::NOT_FOUND,
               kj::str("no OpenCode plugin in ", folder, ": name its folder with --plugin DIR"));
  }
  return kj::str(resolved);
}

}  // namespace sandbridge
