// A command is never run twice: sessions on real sandboxes, behind a cloud that loses, breaks and refuses. Each command leaves
// a mark in a file of the sandbox, and the marks are counted when the faults are over.
#include "base/coroutine.h"
#include "base/error.h"
#include "localcloud/local-cloud.h"
#include "sandbox/sessions.h"
#include "sandbox/workspace.h"
#include "tensorlake/client.h"

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <catch2/catch.hpp>

#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

using namespace sandbridge;

namespace {

constexpr kj::StringPtr KEY = "test-key-0123456789"_kj;
constexpr const char* RUN = "path=/processes/run$";

class Output final : public OutputReceiver {
 public:
  std::string text;
  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    text.append(bytes.asChars().begin(), bytes.size());
    return kj::READY_NOW;
  }
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    return stdoutChunk(bytes);
  }
};

class Faulty {
 public:
  Faulty() : io(kj::setupAsyncIo()) {
    REQUIRE(mkdtemp(directory) != nullptr);
    shape({});
  }
  ~Faulty() noexcept(false) {
    shape({});
    for (auto& sandbox : wait(client->list())) wait(client->remove(kj::mv(sandbox.id)));
    stop();
    auto command = kj::str("rm -rf ", directory);
    KJ_ASSERT(system(command.cStr()) == 0);
  }

  // A new server with these faults, on the same sandboxes, and a new bridge.
  void shape(std::vector<std::string> faults) {
    stop();
    cloud = wait(start(kj::mv(faults)));
    running = cloud->run().eagerlyEvaluate(
        [](kj::Exception&& e) { KJ_LOG(ERROR, "the cloud stopped", e); });
    auto& timer = io.provider->getTimer();
    http = newHttpClient(io.unixEventPort, timer);
    tensorlake::Config config;
    config.apiUrl = kj::heapString(cloud->url());
    config.apiKey = kj::heapString(KEY);
    client = tensorlake::newClient(kj::mv(config), *http, timer);
    sessions = newSessions(*client, timer);
    SandboxOptions options;
    options.cpus = 1;
    options.memoryMb = 512;
    session = sessions->get("faulty", kj::mv(options));
  }

  template <typename T>
  T wait(kj::Promise<T> promise) {
    auto late = io.provider->getTimer().afterDelay(90 * kj::SECONDS).then([]() -> kj::Promise<T> {
      return KJ_EXCEPTION(FAILED, "the test waited for too long");
    });
    return promise.exclusiveJoin(kj::mv(late)).wait(io.waitScope);
  }
  void sleep(int ms) { wait(io.provider->getTimer().afterDelay(ms * kj::MILLISECONDS)); }

  Workspace& space() { return session->workspace(); }

  static WorkspaceCommand marking(const std::string& mark, bool keepStdin = false) {
    WorkspaceCommand command;
    auto script = keepStdin ? "cat >>marks; echo did \"$1\"" : "echo \"$1\" >>marks; echo did \"$1\"";
    command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::str(script), kj::str("sh"),
                           kj::str(mark.c_str()));
    command.mergeStderr = true;
    command.keepStdin = keepStdin;
    return command;
  }

  // "did MARK", or the kind of the failure: "interrupted" and so on.
  std::string command(const std::string& mark) {
    return outcome([&]() {
      Output output;
      auto process = wait(space().start(marking(mark), output));
      auto status = wait(process->wait());
      CHECK(status.success());
      return output.text;
    });
  }
  std::string script(const std::string& mark) {
    return outcome([&]() {
      auto captured = wait(space().runScript("echo \"$1\" >>marks; echo did \"$1\"",
                                             kj::arr(kj::str(mark.c_str()))));
      CHECK(captured.status.success());
      return std::string(captured.output.asChars().begin(), captured.output.size());
    });
  }
  template <typename F>
  std::string outcome(F&& action) {
    try {
      auto text = action();
      while (!text.empty() && text.back() == '\n') text.pop_back();
      return text;
    } catch (kj::Exception& e) {
      lastError = textOf(e).cStr();
      return toWord(kindOf(e)).cStr();
    }
  }

  // How often the mark is there, once the faults are over and what was under way has ended.
  size_t marks(const std::string& mark) {
    if (!calm) {
      sleep(200);
      shape({});
      calm = true;
    }
    auto captured = wait(space().runScript("cat marks 2>/dev/null; true", {}));
    std::string all(captured.output.asChars().begin(), captured.output.size());
    size_t found = 0;
    for (size_t at = 0; (at = all.find(mark + "\n", at)) != std::string::npos; at++) ++found;
    return found;
  }

  // In a sandbox that has had commands before, with a bridge that has not.
  void faults(std::vector<std::string> list) {
    wait(space().runScript("true", {}));
    shape(kj::mv(list));
    calm = false;
  }

  kj::AsyncIoContext io;
  kj::Own<tensorlake::Client> client;
  kj::Own<Session> session;
  std::string lastError;

 private:
  char directory[48] = "/tmp/sandbridge-faults-XXXXXX";
  kj::Own<localcloud::LocalCloud> cloud;
  kj::Promise<void> running = nullptr;
  kj::Own<HttpClient> http;
  kj::Own<Sessions> sessions;
  bool calm = true;

  // What the server before this one still does in the background keeps its folder for a moment.
  kj::Promise<kj::Own<localcloud::LocalCloud>> start(std::vector<std::string> faults) {
    for (int attempt = 0;; ++attempt) {
      localcloud::Shaping shaping;
      for (auto& spec : faults) shaping.faults.add(localcloud::parseFault(spec.c_str()));
      try {
        co_return co_await localcloud::startLocalCloud(io, "127.0.0.1:0", directory,
                                                       kj::heapString(KEY), kj::mv(shaping));
      } catch (kj::Exception& e) {
        if (attempt == 100 || strstr(textOf(e).cStr(), "another server") == nullptr) throw;
      }
      co_await io.provider->getTimer().afterDelay(20 * kj::MILLISECONDS);
    }
  }

  void stop() {
    session = nullptr;
    sessions = nullptr;
    client = nullptr;
    http = nullptr;
    running = nullptr;
    cloud = nullptr;
  }
};

std::string fault(const std::string& what, const std::string& rest = "count=1") {
  return what + "," + RUN + "," + rest;
}

}  // namespace

TEST_CASE("a command whose answer is lost has its one true result", "[faults]") {
  Faulty world;
  bool asScript = GENERATE(false, true);
  world.faults({fault("reset=after")});
  CHECK((asScript ? world.script("m") : world.command("m")) == "did m");
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a command that may not have arrived has an unknown outcome, and is not sent again",
          "[faults]") {
  Faulty world;
  bool asScript = GENERATE(false, true);
  world.faults({fault("reset=before")});
  CHECK((asScript ? world.script("m") : world.command("m")) == "interrupted");
  CHECK_THAT(world.lastError, Catch::Contains("closed the connection without an answer") &&
                                  Catch::Contains("not known"));
  CHECK(world.marks("m") == 0);
}

TEST_CASE("a command that did not arrive is run once when its keeper is known", "[faults]") {
  Faulty world;
  bool asScript = GENERATE(false, true);
  auto kind = GENERATE("reset=before", "reset=after");
  world.faults({fault(kind)});
  {
    Output output;  // started without `run`
    auto process = world.wait(world.space().start(Faulty::marking("other", true), output));
    auto ended = process->wait();
    world.wait(process->closeStdin());
    CHECK(world.wait(kj::mv(ended)).success());
  }
  CHECK((asScript ? world.script("m") : world.command("m")) == "did m");
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a command whose stream is cut goes on where it was cut", "[faults]") {
  Faulty world;
  bool asScript = GENERATE(false, true);
  // Before the first event, inside of it, between events, and more than once.
  auto cut = GENERATE("cut=0", "cut=7", "cut=60", "cut=200,count=4");
  world.faults({std::string(cut) + "," + RUN + (strchr(cut, ',') ? "" : ",count=1")});
  INFO(cut);
  CHECK((asScript ? world.script("m") : world.command("m")) == "did m");
  CHECK(world.marks("m") == 1);
}

TEST_CASE("long output comes back whole though its stream is cut again and again", "[faults]") {
  Faulty world;
  world.faults({fault("cut=150000", "count=5")});
  WorkspaceCommand command;
  command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::str("echo m >>marks; seq 1 100000"));
  command.mergeStderr = true;
  Output output;
  auto process = world.wait(world.space().start(kj::mv(command), output));
  CHECK(world.wait(process->wait()).success());
  std::string expected;
  for (int i = 1; i <= 100000; ++i) expected += std::to_string(i) + "\n";
  CHECK((output.text == expected));
  process = nullptr;
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a command that was refused before it was passed on is sent until it is taken, and runs once",
          "[faults]") {
  Faulty world;
  auto code = GENERATE("SANDBOX_NOT_READY", "SANDBOX_UPSTREAM_ERROR", "SANDBOX_UNREACHABLE",
                       "AUTH_SERVICE_UNAVAILABLE");
  world.faults({fault(std::string("status=503:") + code, "count=3")});
  CHECK(world.command("m") == "did m");
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a command that meets a rate limit comes back when it is told to, and runs once",
          "[faults]") {
  Faulty world;
  bool asScript = GENERATE(false, true);
  world.faults({fault("status=429,retry-after=1", "count=2")});
  auto& timer = world.io.provider->getTimer();
  auto begin = timer.now();
  CHECK((asScript ? world.script("m") : world.command("m")) == "did m");
  CHECK(timer.now() - begin >= 2 * kj::SECONDS);
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a gateway's error after the command was passed on does not hide its result",
          "[faults]") {
  Faulty world;
  auto status = GENERATE("500", "502", "503", "504", "502:CONNECTION_CLOSED", "504:READ_TIMEOUT");
  world.faults({fault(std::string("when=after,status=") + status)});
  INFO(status);
  CHECK(world.command("m") == "did m");
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a command with input whose start is lost is not started again", "[faults]") {
  Faulty world;
  bool after = GENERATE(false, true);
  world.faults({std::string("path=/processes$,method=POST,count=1,reset=") +
                (after ? "after" : "before")});
  Output output;
  CHECK(world.outcome([&]() {
    world.wait(world.space().start(Faulty::marking("m", true), output));
    return std::string();
  }) == "interrupted");
}

TEST_CASE("input whose answer is lost is not sent again", "[faults]") {
  Faulty world;
  bool after = GENERATE(false, true);
  world.faults({std::string("path=/stdin$,count=1,reset=") + (after ? "after" : "before")});
  Output output;
  auto process = world.wait(world.space().start(Faulty::marking("m", true), output));
  auto ended = process->wait();
  CHECK(world.outcome([&]() {
    world.wait(process->writeStdin("m\n"_kj.asBytes()));
    return std::string();
  }) == "interrupted");
  world.wait(process->closeStdin());
  CHECK(world.wait(kj::mv(ended)).success());
  CHECK(output.text == "did m\n");
  process = nullptr;
  CHECK(world.marks("m") == (after ? 1 : 0));
}

TEST_CASE("what a command with input prints is asked for again when the first answer is lost",
          "[faults]") {
  Faulty world;
  auto kind = GENERATE("reset=before", "status=502", "status=503:SANDBOX_NOT_READY");
  world.faults({std::string("path=/output/follow$,count=1,") + kind});
  Output output;
  auto process = world.wait(world.space().start(Faulty::marking("m", true), output));
  auto ended = process->wait();
  world.wait(process->writeStdin("m\n"_kj.asBytes()));
  world.wait(process->closeStdin());
  CHECK(world.wait(kj::mv(ended)).success());
  CHECK(output.text == "did m\n");
  process = nullptr;
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a command with input that cannot be followed has an unknown outcome, is ended, and is not started again",
          "[faults]") {
  Faulty world;
  auto killing = GENERATE("", "status=500,count=9", "status=503:SANDBOX_NOT_READY,count=1", "reset=before,count=1",
                          "status=404:NOT_FOUND,count=9");
  std::vector<std::string> faults = {"path=/output/follow$,status=500,count=9"};
  if (*killing != 0) faults.push_back(std::string("path=/api/v1/processes/,method=DELETE,") + killing);
  world.faults(kj::mv(faults));
  Output output;
  WorkspaceCommand command;
  command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::str("echo m >>marks; exec sleep 306"));
  command.mergeStderr = true;
  command.keepStdin = true;
  CHECK(world.outcome([&]() {
    world.wait(world.space().start(kj::mv(command), output));
    return std::string();
  }) == "interrupted");
  std::string left;
  for (int i = 0; i < 200 && left != "0\n"; ++i) {
    world.sleep(50);
    auto captured = world.wait(world.space().runScript("pgrep -fc '^sleep 306'; true", {}));
    left = std::string(captured.output.asChars().begin(), captured.output.size());
  }
  CHECK(left == "0\n");
  CHECK(world.marks("m") <= 1);
}

TEST_CASE("a command that nobody waits for ends though the first order to end it is lost",
          "[faults]") {
  Faulty world;
  auto kind = GENERATE("reset=before", "reset=after", "status=502", "cut=0");
  world.faults({fault(kind)});
  Output output;
  WorkspaceCommand command;
  command.argv = kj::arr(kj::str("sleep"), kj::str("305"));
  command.mergeStderr = true;
  command.keepStdin = true;  // is started without `run`, whose first use is then the order to end
  auto process = world.wait(world.space().start(kj::mv(command), output));
  process = nullptr;
  std::string left;
  for (int i = 0; i < 100; ++i) {
    world.sleep(50);
    auto captured = world.wait(world.space().runScript(
        "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <\"$p\" 2>/dev/null; echo; done | "
        "grep -c '^sleep 305'; true", {}));
    left = std::string(captured.output.asChars().begin(), captured.output.size());
    if (i > 4 && left == "0\n") break;
  }
  INFO(kind);
  CHECK(left == "0\n");
}

TEST_CASE("a creation whose answer is lost ends in one sandbox", "[faults]") {
  Faulty world;
  auto kind = GENERATE("reset=before", "reset=after", "status=502,when=after", "status=503", "cut=0");
  world.shape({std::string("method=POST,path=/sandboxes$,count=1,") + kind});
  INFO(kind);
  CHECK(world.command("m") == "did m");
  CHECK(world.wait(world.client->list()).size() == 1);
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a control plane that is away for a while is waited for", "[faults]") {
  Faulty world;
  world.shape({"outage=2"});
  CHECK(world.command("m") == "did m");
  CHECK(world.marks("m") == 1);
}

TEST_CASE("a running sandbox does not need the control plane", "[faults]") {
  Faulty world;
  world.faults({"outage=3600@1"});
  CHECK(world.command("a") == "did a");
  world.sleep(1100);
  CHECK(world.command("b") == "did b");
}

TEST_CASE("suspending, resuming and deleting come true though their first answers are lost",
          "[faults]") {
  Faulty world;
  auto kind = GENERATE("reset=before", "reset=after", "status=502,when=after", "status=503",
                       "status=429,retry-after=1", "cut=0");
  CHECK(world.command("a") == "did a");
  std::string count = std::string(",count=1,") + kind;
  INFO(kind);
  world.faults({"path=/suspend$" + count, "path=/resume$" + count, "method=DELETE" + count});
  world.wait(world.session->suspend());
  CHECK(world.wait(world.session->info()).status == "suspended");
  CHECK(world.command("b") == "did b");
  CHECK(world.marks("b") == 1);
  world.faults({"method=DELETE" + count});
  world.wait(world.session->destroy());
  for (auto& sandbox : world.wait(world.client->list())) CHECK(sandbox.status == "terminated");
}

TEST_CASE("a download that is cut is an error, not a short file", "[faults]") {
  Faulty world;
  world.wait(world.space().writeFile("file", kj::heapArray<kj::byte>(100000)));
  world.faults({"method=GET,path=/files$,cut=5000,count=1"});
  CHECK(world.outcome([&]() {
    auto stream = world.wait(world.space().readFile("file"));
    world.wait(stream->readAllBytes());
    return std::string();
  }) == "unavailable");
  auto stream = world.wait(world.space().readFile("file"));
  CHECK(world.wait(stream->readAllBytes()).size() == 100000);
}

TEST_CASE("an upload whose answer is lost is sent again, and leaves nothing half-written",
          "[faults]") {
  Faulty world;
  auto kind = GENERATE("reset=before", "reset=after", "status=503", "status=502,when=after");
  world.faults({std::string("method=PUT,path=/files$,count=1,") + kind});
  auto content = kj::heapArray<kj::byte>(300000);
  memset(content.begin(), 'x', content.size());
  world.wait(world.space().writeFile("file", kj::heapArray<kj::byte>(content.asPtr())));
  auto stream = world.wait(world.space().readFile("file"));
  CHECK(world.wait(stream->readAllBytes()) == content);
  auto captured = world.wait(world.space().runScript("ls -A", {}));
  CHECK(kj::heapString(captured.output.asChars()) == "file\n");
}

TEST_CASE("whatever goes wrong, a command runs at most once, and exactly once when it has a result",
          "[faults]") {
  Faulty world;
  auto seed = GENERATE(1, 2, 3);
  auto s = ",seed=" + std::to_string(seed);
  world.faults({fault("reset=before", "rate=0.08" + s + "1"), fault("reset=after", "rate=0.08" + s + "2"),
                fault("cut=100", "rate=0.08" + s + "3"),
                fault("status=503:SANDBOX_NOT_READY", "rate=0.15" + s + "4"),
                fault("status=429", "rate=0.08" + s + "5"),
                fault("status=502,when=after", "rate=0.08" + s + "6"),
                fault("status=504", "rate=0.05" + s + "7"),
                "method=GET,status=502,rate=0.1" + s + "8"});
  std::vector<std::string> outcomes;
  for (int i = 0; i < 60; ++i) {
    auto mark = "mark" + std::to_string(i);
    outcomes.push_back(i % 2 == 0 ? world.command(mark) : world.script(mark));
  }
  size_t results = 0, unknown = 0;
  for (int i = 0; i < 60; ++i) {
    auto mark = "mark" + std::to_string(i);
    INFO(mark << ": " << outcomes[i]);
    auto found = world.marks(mark);
    if (outcomes[i] == "did " + mark) {
      ++results;
      CHECK(found == 1);
    } else if (outcomes[i] == "unavailable") {
      CHECK(found == 0);
    } else {
      CHECK(outcomes[i] == "interrupted");
      ++unknown;
      CHECK(found <= 1);
    }
  }
  // Whatever was lost was asked for again, except perhaps before the bridge knew the keeper.
  CHECK(results >= 55);
  CHECK(unknown <= 1);
}
