#include "base/coroutine.h"
#include "base/error.h"
#include "base/ids.h"
#include "front/front.h"
#include "front/private-config.h"
#include "front/supervised-process.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <string>

#include <kj/debug.h>
#include <kj/encoding.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

constexpr auto START_TIMEOUT = 60 * kj::SECONDS;
constexpr kj::StringPtr LISTENING = "opencode server listening on "_kj;
constexpr size_t MAX_LINE = 1000;
constexpr size_t TAIL_LINES = 8;

kj::Array<kj::String> splitWords(kj::StringPtr command) {
  kj::Vector<kj::String> words;
  kj::Vector<char> word;
  auto flush = [&]() {
    if (word.size() > 0) words.add(kj::heapString(word.begin(), word.size()));
    word.clear();
  };
  for (char c : command) {
    if (c == ' ') {
      flush();
    } else {
      word.add(c);
    }
  }
  flush();
  if (words.size() == 0) words.add(kj::str("opencode"));
  return words.releaseAsArray();
}

// OpenCode's own port 0 would first try its well-known one, where the user's own server may be expected.
unsigned freePort() {
  int raw;
  KJ_SYSCALL(raw = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  kj::AutoCloseFd fd(raw);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  KJ_SYSCALL(bind(fd, reinterpret_cast<sockaddr*>(&address), size));
  KJ_SYSCALL(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size));
  return ntohs(address.sin_port);
}

kj::StringPtr environmentOf(const char* name) {
  auto value = getenv(name);
  return value == nullptr ? ""_kj : kj::StringPtr(value);
}

class OpenCodeServerImpl final : public OpenCodeServer {
 public:
  OpenCodeServerImpl(kj::AsyncIoContext& io, OpenCodeOptions options)
      : place(makeOpenCodePlace(options.stateDir)),
        password(randomToken()),
        authorizationValue(kj::str(
            "Basic ", kj::encodeBase64(kj::str("opencode:", password).asBytes()))),
        process(*io.lowLevelProvider, processOptions(options)),
        ended(watch().fork()),
        reading(read().eagerlyEvaluate(nullptr)) {}

  kj::Promise<void> start(kj::Timer& timer) {
    auto late = timer.afterDelay(START_TIMEOUT).then([this]() {
      throwError(ErrorKind::FAILED, kj::str("OpenCode did not listen within ",
                                            START_TIMEOUT / kj::SECONDS, " s", tailText()));
    });
    co_await listening.promise.exclusiveJoin(ended.addBranch()).exclusiveJoin(kj::mv(late));
  }

  kj::StringPtr url() override { return urlText; }
  kj::StringPtr authorization() override { return authorizationValue; }
  kj::StringPtr directory() override { return place.directory; }
  kj::Promise<void> onExit() override { return ended.addBranch(); }

 private:
  OpenCodePlace place;
  kj::String password;
  kj::String authorizationValue;
  SupervisedProcess process;
  kj::String urlText;
  std::deque<std::string> tail;
  kj::PromiseFulfillerPair<void> listening = kj::newPromiseAndFulfiller<void>();
  kj::ForkedPromise<void> ended;
  kj::Promise<void> reading;

  SupervisedProcess::Options processOptions(const OpenCodeOptions& options) {
    SupervisedProcess::Options result;
    auto words = splitWords(options.command);
    kj::Vector<kj::String> argv;
    for (auto& word : words) argv.add(kj::mv(word));
    for (auto word : {"serve", "--hostname", "127.0.0.1", "--port"}) argv.add(kj::str(word));
    argv.add(kj::str(freePort()));
    result.argv = argv.releaseAsArray();
    result.directory = kj::str(place.directory);
    auto set = [](kj::StringPtr name, kj::StringPtr value) { return kj::str(name, "=", value); };
    result.environment = childEnvironment(kj::arr(
        set("SANDBRIDGE_URL", options.bridgeUrl), set("SANDBRIDGE_TOKEN_FILE", options.tokenFile),
        set("XDG_CONFIG_HOME", place.configHome),
        set("OPENCODE_CONFIG_CONTENT",
            openCodeConfig(environmentOf("OPENCODE_CONFIG_CONTENT"), options.pluginPath)),
        set("OPENCODE_PERMISSION", openCodePermission(environmentOf("OPENCODE_PERMISSION"))),
        // So that no other user of this machine can drive the server past us.
        set("OPENCODE_SERVER_USERNAME", "opencode"), set("OPENCODE_SERVER_PASSWORD", password),
        // Its directory is empty, and nothing above it is ours to read.
        set("OPENCODE_DISABLE_PROJECT_CONFIG", "1"), set("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        set("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"), set("PWD", place.directory)));
    return result;
  }

  kj::Promise<void> watch() {
    auto how = co_await process.onExit();
    // What it said last may still be on its way.
    co_await kj::evalLast([]() {});
    throwError(ErrorKind::FAILED, kj::str("OpenCode ended (", how, ")", tailText()));
  }

  // Takes its output to the end, so that it never blocks on a full pipe.
  kj::Promise<void> read() {
    std::string line;
    char chunk[4096];
    try {
      for (;;) {
        auto n = co_await process.output().tryRead(chunk, 1, sizeof(chunk));
        if (n == 0) break;
        for (char c : kj::arrayPtr(chunk, n)) {
          if (c == '\n') {
            take(line);
            line.clear();
          } else if (line.size() < MAX_LINE) {
            line += c;
          }
        }
      }
    } catch (kj::Exception& e) {
      take(std::string("(its output broke off: ") + textOf(e).cStr() + ")");
    }
    take(line);
  }

  void take(const std::string& line) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) return;
    tail.push_back(line);
    if (tail.size() > TAIL_LINES) tail.pop_front();
    auto at = line.find(LISTENING.cStr());
    if (at != std::string::npos && urlText.size() == 0) {
      auto rest = line.substr(at + LISTENING.size());
      urlText = kj::heapString(rest.data(), kj::min(rest.find_first_of(" \t\r/", 7), rest.size()));
      listening.fulfiller->fulfill();
    }
  }

  kj::String tailText() {
    if (tail.empty()) return kj::str("; it said nothing");
    kj::Vector<kj::String> lines;
    for (auto& line : tail) lines.add(kj::str(line.c_str()));
    return kj::str("; it said last: ", kj::strArray(lines, " | "));
  }
};

}  // namespace

kj::Promise<kj::Own<OpenCodeServer>> startOpenCode(kj::AsyncIoContext& io, OpenCodeOptions options) {
  kj::Own<OpenCodeServerImpl> server;
  try {
    server = kj::heap<OpenCodeServerImpl>(io, kj::mv(options));
  } catch (kj::Exception& e) {
    if (kindOf(e) != ErrorKind::NOT_FOUND) throw;
    throwError(ErrorKind::NOT_FOUND,
               kj::str("OpenCode cannot be started: ", textOf(e),
                       ". Install it (npm install -g opencode-ai) or name it with --opencode-command"));
  }
  co_await server->start(io.provider->getTimer());
  co_return kj::mv(server);
}

}  // namespace sandbridge
