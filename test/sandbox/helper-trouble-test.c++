// Sandboxes in which the helper cannot be, is tampered with, or is killed: commands have their one true result, or an outcome
// that is said to be unknown.
#include "base/coroutine.h"
#include "base/error.h"
#include "localcloud/local-cloud.h"
#include "sandbox/helper-requests.h"
#include "sandbox/sessions.h"
#include "sandbox/workspace.h"
#include "tensorlake/client.h"
#include "tools/file-memory.h"
#include "tools/toolbox.h"

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <catch2/catch.hpp>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

using namespace sandbridge;

namespace {

constexpr kj::StringPtr KEY = "test-key-0123456789"_kj;

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

class World {
 public:
  World() : io(kj::setupAsyncIo()) {
    REQUIRE(mkdtemp(directory) != nullptr);
    cloud = wait(localcloud::startLocalCloud(io, "127.0.0.1:0", directory, kj::heapString(KEY)));
    running = cloud->run().eagerlyEvaluate(
        [](kj::Exception&& e) { KJ_LOG(ERROR, "the cloud stopped", e); });
    connect();
  }
  ~World() noexcept(false) {
    for (auto& sandbox : wait(client->list())) wait(client->remove(kj::mv(sandbox.id)));
    disconnect();
    running = nullptr;
    cloud = nullptr;
    auto command = kj::str("rm -rf ", directory);
    KJ_ASSERT(system(command.cStr()) == 0);
  }

  // A bridge's part; a new one knows nothing of the old one's.
  void connect() {
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
    session = sessions->get("trouble", kj::mv(options));
  }
  void disconnect() {
    session = nullptr;
    sessions = nullptr;
    client = nullptr;
    http = nullptr;
  }

  template <typename T>
  T wait(kj::Promise<T> promise) {
    auto late = io.provider->getTimer().afterDelay(120 * kj::SECONDS).then([]() -> kj::Promise<T> {
      return KJ_EXCEPTION(FAILED, "the test waited for too long");
    });
    return promise.exclusiveJoin(kj::mv(late)).wait(io.waitScope);
  }
  void sleep(int ms) { wait(io.provider->getTimer().afterDelay(ms * kj::MILLISECONDS)); }

  static WorkspaceCommand shell(kj::StringPtr script) {
    WorkspaceCommand command;
    command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::heapString(script));
    command.mergeStderr = true;
    return command;
  }
  // What it printed and its code, or the kind of the failure.
  std::string command(kj::StringPtr script) {
    try {
      Output output;
      auto process = wait(session->workspace().start(shell(script), output));
      auto code = wait(process->wait()).shellCode();
      return output.text + "= " + std::to_string(code);
    } catch (kj::Exception& e) {
      lastError = textOf(e).cStr();
      return toWord(kindOf(e)).cStr();
    }
  }
  // By the API alone, without any helper.
  std::string raw(kj::StringPtr script) {
    auto info = wait(session->prepare());
    auto sandbox = KJ_ASSERT_NONNULL(wait(client->get(kj::heapString(info.sandboxId))));
    auto plane = client->connect(sandbox);
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
  std::string keepers() { return raw("pgrep -fc 'helper keeper$' || true"); }
  bool comesTo(kj::StringPtr script, std::string_view text) {
    for (int i = 0; i < 200; ++i) {
      if (raw(script) == text) return true;
      sleep(50);
    }
    return false;
  }
  // For a sandbox in which nothing has run yet.
  void takeHelpersPlace() {
    auto path = helperPath();
    raw(kj::str("mkdir /tmp/.sandbridge; echo taken >", path.slice(0, KJ_ASSERT_NONNULL(path.findLast('/')))));
  }

  kj::AsyncIoContext io;
  kj::Own<tensorlake::Client> client;
  kj::Own<Session> session;
  std::string lastError;

 private:
  char directory[48] = "/tmp/sandbridge-trouble-XXXXXX";
  kj::Own<localcloud::LocalCloud> cloud;
  kj::Promise<void> running = nullptr;
  kj::Own<HttpClient> http;
  kj::Own<Sessions> sessions;
};

kj::String inFolder(kj::StringPtr rest) {
  auto path = helperPath();
  return kj::str(path.slice(0, KJ_ASSERT_NONNULL(path.findLast('/'))), '/', rest);
}

}  // namespace

TEST_CASE("where the helper's place is another's, commands run by the shell, and nothing is put there", "[trouble]") {
  World world;
  auto place = GENERATE("ln -s /workspace/trap /tmp/.sandbridge; mkdir /workspace/trap",
                        "ln -s /nowhere /tmp/.sandbridge", "mkfifo /tmp/.sandbridge", "echo kept >/tmp/.sandbridge",
                        "mkdir -m 777 /tmp/.sandbridge", "mkdir /tmp/.sandbridge; chown 1000 /tmp/.sandbridge");
  INFO(place);
  world.raw(place);
  auto before = world.raw("ls -ld /tmp/.sandbridge | cut -c1-10; cat /workspace/trap 2>&1 | head -c 0");
  CHECK(world.command("echo one; echo two >&2; exit 3") == "one\ntwo\n= 3");
  CHECK(world.command("kill -9 $$") == "= 137");
  CHECK(world.keepers() == "0\n");
  CHECK(world.raw("ls -ld /tmp/.sandbridge | cut -c1-10") == before);
  CHECK(world.raw("find /workspace/trap -type f 2>/dev/null") == "");
  // What it leaves in the background lives on all the same.
  CHECK(world.command("sleep 401 >/dev/null 2>&1 & echo on") == "on\n= 0");
  CHECK(world.command("for i in $(seq 100); do pgrep -f '^sleep 401' >pids && break; sleep 0.05; done; wc -l <pids") ==
        "1\n= 0");
}

TEST_CASE("where the helper cannot be, what has left its command's group lives on, as with the helper", "[trouble]") {
  World world;
  bool helped = GENERATE(false, true);
  INFO((helped ? "with the helper" : "by the shell"));
  if (!helped) world.takeHelpersPlace();
  // `setsid -f` is done before its process has left the group, and would be ended with it.
  auto leave = [](int seconds, kj::StringPtr rest) {
    return kj::str("setsid -f sleep ", seconds, " >/dev/null 2>&1; until pgrep -f '^sleep ", seconds,
                   "' >/dev/null; do sleep 0.02; done; ", rest);
  };
  CHECK(world.command(leave(411, "echo on")) == "on\n= 0");
  CHECK(world.command(leave(412, "sleep 413 >/dev/null 2>&1 & exit 3")) == "= 3");
  Output output;
  {
    auto command = World::shell(leave(414, "sleep 415"));
    command.timeout = 3 * kj::SECONDS;
    auto process = world.wait(world.session->workspace().start(kj::mv(command), output));
    CHECK(world.wait(process->wait()).kind == ExitStatus::TIMED_OUT);
  }
  {
    auto process = world.wait(world.session->workspace().start(
        World::shell(leave(416, ": >/tmp/up; sleep 417")), output));
    world.raw("until [ -e /tmp/up ]; do sleep 0.05; done");
  }
  CHECK(world.comesTo("pgrep -fa '^sleep 41[357]' | grep -v pgrep", ""));
  CHECK(world.keepers() == (helped ? "1\n" : "0\n"));
  // What the service ends goes at once.
  world.sleep(500);
  CHECK(world.raw("pgrep -fc '^sleep 41[1246]'") == "4\n");
  CHECK(world.raw("pgrep -fc '[S]ANDBRIDGE_COMMAND' || true") == (helped ? "0\n" : "4\n"));
  // Nor does the script stay that only waited for it.
  world.raw("pkill -f '^sleep 41[1246]'");
  CHECK(world.comesTo("pgrep -fc '[S]ANDBRIDGE_COMMAND' || true", "0\n"));
}

TEST_CASE("where the helper cannot be, the process tool's processes outlive the call that has started them", "[trouble]") {
  World world;
  world.takeHelpersPlace();
  bool bash = GENERATE(true, false);
  INFO((bash ? "with bash" : "without bash"));
  if (!bash) {
    if (geteuid() != 0) return;  // a plain user's box cannot change its system
    REQUIRE(world.raw("rm -f /bin/bash /usr/bin/bash; command -v bash || echo none") == "none\n");
  }
  FileMemory memory;
  auto toolbox = newToolbox(world.session->workspace(), world.io.provider->getTimer(), memory);
  SilentUi ui;
  auto call = [&](kj::StringPtr arguments) {
    return std::string(world.wait(toolbox->call("process", arguments, ui)).output.cStr());
  };
  auto started = call(R"({"action":"start","command":"echo up; read x; echo got $x; exec sleep 418"})");
  INFO(started);
  CHECK(started.find("Process 1 (running): ") == 0);
  world.sleep(500);
  CHECK(call(R"({"action":"list"})").find("Process 1 (running, 3 bytes of output): ") == 0);
  auto answered = call(R"({"action":"input","id":1,"input":"a\n","wait":10000})");
  INFO(answered);
  CHECK(answered.find("got a\n") != std::string::npos);
  CHECK(call(R"({"action":"kill","id":1})").find("Process 1 (exited with code 143): ") == 0);
  CHECK(world.comesTo("pgrep -fc '^sleep 418' || true", "0\n"));
  CHECK(world.comesTo("pgrep -fc '[S]ANDBRIDGE_COMMAND' || true", "0\n"));
}

TEST_CASE("a helper that somebody has replaced is put back", "[trouble]") {
  World world;
  CHECK(world.command("echo first") == "first\n= 0");
  auto deed = GENERATE("rm -f", "chmod 600", "rm -f X; mkfifo", "rm -f X; mkdir", "rm -f X; mkdir X; touch X/full; :",
                       "rm -f X; ln -s /nowhere", "rm -f X; ln -s /tmp", "rm -f X; : >");
  auto script = std::string(deed) + " X";
  for (size_t at; (at = script.find('X')) != std::string::npos;) script.replace(at, 1, helperPath().cStr());
  INFO(script);
  world.raw(script.c_str());
  CHECK(world.command("echo second; exit 4") == "second\n= 4");
  CHECK(world.command("echo third") == "third\n= 0");
  CHECK(world.raw(kj::str("[ -f ", helperPath(), " ] && [ ! -L ", helperPath(), " ] && [ -x ", helperPath(), " ] && echo back")) ==
        "back\n");
  CHECK(world.raw("find /tmp -maxdepth 1 -name 'helper*'") == "");
}

TEST_CASE("a helper that lies is believed nothing that harms the bridge", "[trouble]") {
  World world;
  CHECK(world.command("echo first") == "first\n= 0");
  auto lie = GENERATE("echo x 0", "echo p 1; echo x 0", "echo p 99999999999999999999; echo x 0", "echo d 0 !!!; echo x 0",
                      "echo p 3999999; echo d 5 AAAA; echo x 0", "head -c 3000000 /dev/zero | tr '\\0' y; echo",
                      "printf '\\377\\376\\n'", "kill -9 $$", "exit 3", "echo l", "echo r");
  INFO(lie);
  world.raw(kj::str("printf '#!/bin/sh\\n%s\\n' \"$(cat <<'E'\n", lie, "\nE\n)\" >", helperPath(), ".n; chmod 755 ",
                    helperPath(), ".n; mv ", helperPath(), ".n ", helperPath()));
  auto result = world.command("echo mark >>marks");
  INFO(result << ": " << world.lastError);
  CHECK((result == "failed" || result == "interrupted"));
  CHECK(world.lastError.size() < 4000);
  CHECK(world.raw("cat /workspace/marks 2>/dev/null") == "");
  // It is only a file.
  world.raw(kj::str("rm ", helperPath()));
  CHECK(world.command("echo again") == "again\n= 0");
}

TEST_CASE("output before the start of its command is not taken without end", "[trouble]") {
  World world;
  CHECK(world.command("echo first") == "first\n= 0");
  world.raw(kj::str("printf '#!/bin/sh\\ni=0; while :; do echo d $i $(head -c 45000 /dev/zero | base64 -w0); i=$((i+1)); done\\n' >",
                    helperPath(), ".n; chmod 755 ", helperPath(), ".n; mv ", helperPath(), ".n ", helperPath()));
  CHECK(world.command("true") == "interrupted");
  CHECK(world.lastError.find("garbled") != std::string::npos);
}

TEST_CASE("what lies where the keeper's socket was keeps no command from its result", "[trouble]") {
  World world;
  CHECK(world.command("echo first") == "first\n= 0");
  auto deed = GENERATE("rm -f", "rm -f X; mkfifo");
  auto script = std::string(deed) + " X";
  auto socket = inFolder("socket");
  for (size_t at; (at = script.find('X')) != std::string::npos;) script.replace(at, 1, socket.cStr());
  INFO(script);
  world.raw(script.c_str());
  CHECK(world.command("echo second; exit 5") == "second\n= 5");
}

TEST_CASE("a keeper that is killed under its command leaves an unknown outcome, and the next command has another",
          "[trouble]") {
  World world;
  CHECK(world.command("echo first") == "first\n= 0");
  CHECK(world.command("echo mark >>marks; pkill -9 -f 'helper keeper$'; sleep 30; echo mark >>marks") == "interrupted");
  CHECK(world.lastError.find("keeper") != std::string::npos);
  CHECK(world.command("cat marks") == "mark\n= 0");
  CHECK(world.keepers() == "1\n");

  // From outside of it, while it prints.
  Output output;
  auto process = world.wait(world.session->workspace().start(World::shell("while :; do echo on; sleep 0.02; done"), output));
  auto ended = process->wait().then([](ExitStatus&&) { return std::string("ended"); },
                                    [](kj::Exception&& e) { return std::string(toWord(kindOf(e)).cStr()); });
  ended = ended.eagerlyEvaluate(nullptr);
  world.sleep(200);
  world.raw("pkill -9 -f 'helper keeper$'");
  CHECK(world.wait(kj::mv(ended)) == "interrupted");
  CHECK(world.command("echo fine") == "fine\n= 0");
}

TEST_CASE("a sandbox that is suspended under a command goes on, and the command is told to its end", "[trouble]") {
  World world;
  CHECK(world.command("echo first") == "first\n= 0");
  Output output;
  auto process = world.wait(world.session->workspace().start(
      World::shell("echo mark >>marks; for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done; exit 6"), output));
  auto ended = process->wait().eagerlyEvaluate(nullptr);
  world.sleep(300);
  auto id = kj::heapString(world.wait(world.session->info()).sandboxId);
  // By somebody else.
  CHECK(world.wait(world.client->suspend(kj::heapString(id))).status == "suspended");
  CHECK(world.wait(kj::mv(ended)).shellCode() == 6);
  CHECK(output.text == "1\n2\n3\n4\n5\n6\n");
  CHECK(world.command("cat marks") == "mark\n= 0");
}

TEST_CASE("an image without the tools that commands need says so, instead of losing output", "[trouble]") {
  if (geteuid() != 0) return;  // a plain user's box cannot change its system
  World world;
  std::string tool = GENERATE("base64", "dd", "setsid");
  world.raw(kj::str("mkfifo /tmp/.sandbridge; rm $(command -v ", tool.c_str(), ")"));
  CHECK(world.command("echo one") == "failed");
  CHECK(world.lastError == "the sandbox could not start the command: its image has no " + tool + ".");
}

TEST_CASE("with the helper, commands need nothing of the image but a shell", "[trouble]") {
  if (geteuid() != 0) return;
  World world;
  CHECK(world.command("echo first") == "first\n= 0");
  world.raw("for tool in base64 dd setsid tr env; do rm $(command -v $tool); done");
  CHECK(world.command("echo one; echo two >&2; exit 3") == "one\ntwo\n= 3");
}

TEST_CASE("the helper is not installed where files cannot be run, and leaves nothing there", "[trouble]") {
  if (geteuid() != 0) return;
  char folder[] = "/tmp/sandbridge-noexec-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  auto install = helperInstallRequest();
  REQUIRE(install.args.size() == 6);
  setenv("HELPER", install.environmentValues[0].cStr(), 1);
  setenv("INSTALL", install.args[1].cStr(), 1);
  auto script = kj::str("unshare -m sh -c 'mount -t tmpfs -o noexec none ", folder, " && cd ", folder,
                        " && sh -c \"$INSTALL\" sh $PWD/base $PWD/base/a $PWD/base/a/helper 2>&1; echo code $?; "
                        "find . -type f'");
  FILE* pipe = popen(script.cStr(), "re");
  REQUIRE(pipe != nullptr);
  char text[1000] = {};
  auto n = fread(text, 1, sizeof text - 1, pipe);
  CHECK(n > 0);
  CHECK(pclose(pipe) == 0);
  unsetenv("HELPER");
  unsetenv("INSTALL");
  rmdir(folder);
  INFO(text);
  CHECK(std::string(text).find("Permission denied") != std::string::npos);
  CHECK(std::string(text).find("ok") == std::string::npos);
  // No file is listed behind it.
  CHECK(kj::StringPtr(text).endsWith("code 1\n"));
}
