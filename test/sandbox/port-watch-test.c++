// Ports that programs in a real sandbox of the local cloud begin to listen on, and hostile answers about them.
#include "base/coroutine.h"
#include "base/error.h"
#include "localcloud/local-cloud.h"
#include "sandbox/port-watch.h"
#include "sandbox/sessions.h"
#include "tensorlake/client.h"

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <catch2/catch.hpp>

#include <stdlib.h>

#include <string>
#include <vector>

using namespace sandbridge;

namespace {

constexpr kj::StringPtr KEY = "test-key-0123456789"_kj;
// On `port`, with output and input of its own.
kj::String server(unsigned port) {
  return kj::str("python3 -m http.server ", port, " </dev/null >/dev/null 2>&1");
}

class NoOutput final : public OutputReceiver {
 public:
  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override { return kj::READY_NOW; }
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override { return kj::READY_NOW; }
};

class World final : private SessionObserver {
 public:
  explicit World(bool hears = true) : hears(hears), io(kj::setupAsyncIo()) {
    REQUIRE(mkdtemp(directory) != nullptr);
    cloud = wait(localcloud::startLocalCloud(io, "127.0.0.1:0", directory, kj::heapString(KEY)));
    running = cloud->run().eagerlyEvaluate([](kj::Exception&& e) { KJ_LOG(ERROR, "the cloud stopped", e); });
    auto& timer = io.provider->getTimer();
    http = newHttpClient(io.unixEventPort, timer);
    tensorlake::Config config;
    config.apiUrl = kj::heapString(cloud->url());
    config.apiKey = kj::heapString(KEY);
    client = tensorlake::newClient(kj::mv(config), *http, timer);
    sessions = newSessions(*client, timer);
    sessions->addObserver(*this);
    SandboxOptions options;
    options.cpus = 1;
    options.memoryMb = 512;
    session = sessions->get("ports", kj::mv(options));
  }
  ~World() noexcept(false) {
    wait(session->destroy());
    sessions->removeObserver(*this);
    session = nullptr;
    sessions = nullptr;
    client = nullptr;
    http = nullptr;
    running = nullptr;
    cloud = nullptr;
    KJ_ASSERT(system(kj::str("rm -rf ", directory).cStr()) == 0);
  }

  template <typename T>
  T wait(kj::Promise<T> promise) {
    auto late = io.provider->getTimer().afterDelay(60 * kj::SECONDS).then([]() -> kj::Promise<T> {
      return KJ_EXCEPTION(FAILED, "the test waited for too long");
    });
    return promise.exclusiveJoin(kj::mv(late)).wait(io.waitScope);
  }

  kj::Own<WorkspaceProcess> start(kj::StringPtr script) {
    WorkspaceCommand command;
    command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::heapString(script));
    return wait(session->workspace().start(kj::mv(command), output));
  }
  unsigned run(kj::StringPtr script) { return wait(start(script)->wait()).shellCode(); }

  // By the API alone, unseen by the session.
  std::string raw(kj::StringPtr script) {
    auto info = wait(session->prepare());
    auto plane = client->connect(KJ_ASSERT_NONNULL(wait(client->get(kj::heapString(info.sandboxId)))));
    tensorlake::ProcessRequest request;
    request.command = kj::str("sh");
    request.args = kj::arr(kj::str("-c"), kj::heapString(script));
    request.workingDir = kj::str("/");
    auto events = wait(plane->run(kj::mv(request)));
    std::string text;
    for (;;) {
      auto next = wait(events->next());
      KJ_IF_MAYBE (event, next) {
        if (event->line.size() > 0) text += std::string(event->line.cStr()) + "\n";
      } else {
        return text;
      }
    }
  }

  // Waits until so many ports have been told; all of them, in the order told.
  std::vector<unsigned> told(size_t count) {
    while (ports.size() < count) {
      auto paf = kj::newPromiseAndFulfiller<void>();
      news = kj::mv(paf.fulfiller);
      wait(kj::mv(paf.promise));
    }
    return ports;
  }

  const bool hears;
  std::vector<unsigned> ports;
  std::string lastText;
  kj::AsyncIoContext io;
  kj::Own<tensorlake::Client> client;
  kj::Own<Session> session;

 private:
  char directory[48] = "/tmp/sandbridge-ports-XXXXXX";
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> news;
  NoOutput output;
  kj::Own<localcloud::LocalCloud> cloud;
  kj::Promise<void> running = nullptr;
  kj::Own<HttpClient> http;
  kj::Own<Sessions> sessions;

  bool hearsOfPorts() const override { return hears; }
  void sessionEvent(const SessionEvent& event) override {
    if (event.kind != SessionEventKind::LISTENING) return;
    CHECK(event.sessionId == "ports");
    lastText = event.text.cStr();
    ports.push_back(event.port);
    KJ_IF_MAYBE (n, news) (*n)->fulfill();
  }
};

using Told = std::vector<unsigned>;

}  // namespace

TEST_CASE("a port that a command leaves open is told once, and again when it was closed meanwhile", "[ports]") {
  World world;
  auto place = GENERATE("true", "mkfifo /tmp/.sandbridge");  // the helper, or the shell in its stead
  INFO(place);
  world.raw(place);
  CHECK(world.run(kj::str(server(8000), " & echo $! >pid")) == 0);
  CHECK(world.told(1) == Told{8000});
  CHECK(world.lastText.find("port 8000") != std::string::npos);
  CHECK(world.run(kj::str(server(8001), " & echo $! >other")) == 0);
  CHECK(world.told(2) == Told{8000, 8001});
  CHECK(world.run(kj::str("kill $(cat pid); ", server(8002), " &")) == 0);
  CHECK(world.told(3) == Told{8000, 8001, 8002});
  CHECK(world.run(kj::str(server(8000), " & :")) == 0);
  CHECK(world.told(4) == Told{8000, 8001, 8002, 8000});
}

TEST_CASE("a port that a running command opens is told while it runs, also one that has detached itself", "[ports]") {
  World world;
  auto process = world.start(server(8000));
  CHECK(world.told(1) == Told{8000});
  process = nullptr;
  CHECK(world.run(kj::str("setsid -f ", server(8001))) == 0);
  CHECK(world.told(2) == Told{8000, 8001});
}

TEST_CASE("of very many open ports 64 are told, and the sandbox is used on", "[ports]") {
  World world;
  auto many = world.start("exec python3 -c 'import socket, time\n"
                          "s = [socket.create_server((\"127.0.0.1\", 20000 + i)) for i in range(200)]\n"
                          "time.sleep(600)'");
  auto told = world.told(64);
  CHECK(told.size() == 64);
  CHECK(told.front() == 20000);
  CHECK(told.back() == 20063);
  CHECK(world.run("sleep 1; exit 3") == 3);
  CHECK(world.ports.size() == 64);
}

TEST_CASE("where nobody hears of ports, nobody looks for them", "[ports]") {
  World world(false);
  CHECK(world.run(kj::str(server(8000), " &")) == 0);
  // A look would have begun by now, and lasts for seconds.
  CHECK(world.run("until grep -q ':1F40 00000000:0000 0A' /proc/net/tcp; do sleep 0.1; done; sleep 1") == 0);
  CHECK(world.raw("pgrep -fc '[h]elper ports' || true") == "0\n");
}

TEST_CASE("what is no list of ports is not taken for one", "[ports]") {
  auto parsed = [](kj::StringPtr line) { return parsePorts(line) != nullptr; };
  CHECK(KJ_ASSERT_NONNULL(parsePorts("l")).empty());
  CHECK(KJ_ASSERT_NONNULL(parsePorts("l 80 8000 80")) == std::set<uint16_t>{80, 8000});
  for (auto line : {"", "x", "l80", "l ", "l 0", "l 65536", "l 4294967376", "l -1", "l 80x", "l 80  81", "l\t80", "l 8000 "}) {
    INFO(line);
    CHECK(!parsed(line));
  }
  std::string many = "l";
  for (int i = 1; i <= 65535; ++i) many += " " + std::to_string(i);
  CHECK(KJ_ASSERT_NONNULL(parsePorts(many.c_str())).size() == 64);
}
