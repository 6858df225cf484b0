// Sessions and their workspaces on real sandboxes: the local cloud's HTTP server in this process,
// its containers around real processes.
#include "localcloud/local-cloud.h"
#include "base/coroutine.h"
#include "base/error.h"
#include "sandbox/sessions.h"
#include "sandbox/workspace.h"
#include "tensorlake/client.h"

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <catch2/catch.hpp>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

using namespace sandbridge;

namespace {

constexpr kj::StringPtr KEY = "test-key-0123456789"_kj;

class Output final : public OutputReceiver {
 public:
  kj::Vector<char> out, err;
  kj::Function<void()> onChunk = []() {};

  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    out.addAll(bytes.asChars());
    CHECK(bytes.size() <= 65536);
    onChunk();
    return kj::READY_NOW;
  }
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    err.addAll(bytes.asChars());
    onChunk();
    return kj::READY_NOW;
  }
  kj::String text() { return kj::heapString(out.asPtr()); }
  kj::String errors() { return kj::heapString(err.asPtr()); }
};

class Observer final : public SessionObserver {
 public:
  std::string seen;
  void sessionEvent(const SessionEvent& event) override {
    static const char* const NAMES[] = {"created", "resumed",   "connected",
                                        "lost",    "suspended", "deleted"};
    seen += NAMES[static_cast<int>(event.kind)];
    seen += ' ';
  }
};

// One bridge's worth of state; several may share a cloud, as after a restart.
struct Bridge {
  Bridge(kj::AsyncIoContext& io, kj::StringPtr url)
      : http(newHttpClient(io.unixEventPort, io.provider->getTimer())),
        client(tensorlake::newClient(config(url), *http, io.provider->getTimer())),
        sessions(newSessions(*client, io.provider->getTimer())) {
    sessions->addObserver(observer);
  }
  ~Bridge() noexcept(false) { sessions->removeObserver(observer); }

  kj::Own<Session> session(kj::StringPtr id) {
    SandboxOptions options;
    options.cpus = 1;
    options.memoryMb = 512;
    return sessions->get(id, kj::mv(options));
  }

  static tensorlake::Config config(kj::StringPtr url) {
    tensorlake::Config config;
    config.apiUrl = kj::heapString(url);
    config.apiKey = kj::heapString(KEY);
    return config;
  }

  kj::Own<HttpClient> http;
  kj::Own<tensorlake::Client> client;
  Observer observer;
  kj::Own<Sessions> sessions;
};

struct World {
  World() : io(kj::setupAsyncIo()) {
    REQUIRE(mkdtemp(directory) != nullptr);
    cloud = localcloud::startLocalCloud(io, "127.0.0.1:0", directory, kj::heapString(KEY))
                .wait(io.waitScope);
    running = cloud->run().eagerlyEvaluate(
        [](kj::Exception&& e) { KJ_LOG(ERROR, "the cloud stopped", e); });
    bridge = kj::heap<Bridge>(io, cloud->url());
  }
  ~World() noexcept(false) {
    for (auto& sandbox : wait(bridge->client->list()))
      wait(bridge->client->remove(kj::mv(sandbox.id)));
    bridge = nullptr;
    running = nullptr;
    cloud = nullptr;
    auto command = kj::str("rm -rf ", directory);
    KJ_ASSERT(system(command.cStr()) == 0);
  }

  template <typename T>
  T wait(kj::Promise<T> promise) {
    auto timer = io.provider->getTimer().afterDelay(90 * kj::SECONDS).then([]() -> kj::Promise<T> {
      return KJ_EXCEPTION(FAILED, "the test waited for too long");
    });
    return promise.exclusiveJoin(kj::mv(timer)).wait(io.waitScope);
  }
  void sleep(int ms) { wait(io.provider->getTimer().afterDelay(ms * kj::MILLISECONDS)); }

  ExitStatus run(Session& session, kj::StringPtr script, Output& output, bool merge = true,
                 kj::Maybe<kj::Duration> timeout = nullptr) {
    auto process = wait(session.workspace().start(shell(script, merge, timeout), output));
    return wait(process->wait());
  }
  kj::String run(Session& session, kj::StringPtr script) {
    Output output;
    auto status = run(session, script, output);
    INFO(script);
    CHECK(status.kind == ExitStatus::EXITED);
    return output.text();
  }
  static WorkspaceCommand shell(kj::StringPtr script, bool merge = true,
                                kj::Maybe<kj::Duration> timeout = nullptr) {
    WorkspaceCommand command;
    command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::heapString(script));
    command.mergeStderr = merge;
    command.timeout = timeout;
    return command;
  }
  template <typename T>
  ErrorKind failureKind(kj::Promise<T> promise) {
    try {
      wait(kj::mv(promise));
    } catch (kj::Exception& e) {
      lastError = textOf(e);
      return kindOf(e);
    }
    lastError = kj::str("no error");
    return ErrorKind::FAILED;
  }
  void writeText(Session& session, kj::StringPtr path, kj::StringPtr text) {
    wait(session.workspace().writeFile(path, kj::heapArray<kj::byte>(text.asBytes())));
  }
  kj::Array<kj::byte> readAll(Session& session, kj::StringPtr path) {
    auto stream = wait(session.workspace().readFile(path));
    return wait(stream->readAllBytes());
  }
  kj::String readText(Session& session, kj::StringPtr path) {
    return kj::heapString(readAll(session, path).asChars());
  }

  kj::AsyncIoContext io;
  char directory[48] = "/tmp/sandbridge-sessions-XXXXXX";
  kj::Own<localcloud::LocalCloud> cloud;
  kj::Promise<void> running = nullptr;
  kj::Own<Bridge> bridge;
  kj::String lastError;
};

}  // namespace

TEST_CASE("a session's sandbox is made on first use, once however many calls race",
          "[localcloud]") {
  World world;
  auto session = world.bridge->session("ses_Race");
  CHECK(world.wait(session->info()).status == "none");
  std::vector<kj::Promise<SessionInfo>> racing;
  for (int i = 0; i < 8; ++i) racing.push_back(session->prepare());
  kj::String id;
  for (auto& promise : racing) {
    auto info = world.wait(kj::mv(promise));
    CHECK(info.status == "running");
    if (id.size() > 0) CHECK(info.sandboxId == id);
    id = kj::mv(info.sandboxId);
  }
  CHECK(world.bridge->observer.seen == "created ");
  CHECK(world.wait(world.bridge->client->list()).size() == 1);
}

TEST_CASE("two bridges that race for a session end up in one sandbox", "[localcloud]") {
  World world;
  auto other = kj::heap<Bridge>(world.io, world.cloud->url());
  auto a = world.bridge->session("race");
  auto b = other->session("race");
  auto first = a->prepare();
  auto second = b->prepare();
  CHECK(world.wait(kj::mv(first)).sandboxId == world.wait(kj::mv(second)).sandboxId);
}

TEST_CASE("a new bridge finds the sandbox, its files and its processes again", "[localcloud]") {
  World world;
  auto session = world.bridge->session("again");
  world.writeText(*session, "kept.txt", "still here");
  auto pid = world.run(*session, "sleep 300 >/dev/null 2>&1 & printf %s $!");
  session = nullptr;
  world.bridge = kj::heap<Bridge>(world.io, world.cloud->url());
  session = world.bridge->session("again");
  CHECK(world.readText(*session, "/workspace/kept.txt") == "still here");
  CHECK(world.run(*session, kj::str("kill -0 ", pid, " && echo alive")) == "alive\n");
  CHECK(world.bridge->observer.seen == "connected ");
}

TEST_CASE("a suspended sandbox is resumed by its next use, with its processes", "[localcloud]") {
  World world;
  auto session = world.bridge->session("sleepy");
  auto pid = world.run(*session, "sleep 300 >/dev/null 2>&1 & printf %s $!");
  world.wait(session->suspend());
  CHECK(world.wait(session->info()).status == "suspended");
  CHECK(world.run(*session, kj::str("kill -0 ", pid, " && echo alive")) == "alive\n");
  CHECK(world.bridge->observer.seen == "created suspended resumed ");
}

TEST_CASE("what a command leaves in the background lives on, however it has detached", "[localcloud]") {
  World world;
  auto session = world.bridge->session("server");
  auto pids = world.run(*session,
                        "sleep 301 >/dev/null 2>&1 & setsid -f sleep 302 >/dev/null 2>&1; "
                        "(nohup sleep 303 >/dev/null 2>&1 &); sleep 0.2; pgrep -f '^sleep 30[123]' | tr '\\n' ' '");
  // In another call, and after what the SDK would send has ended in between.
  tensorlake::ProcessRequest request;
  request.command = kj::str("sh");
  request.args = kj::arr(kj::str("-c"), kj::str("sleep 304 & setsid -f sleep 304"));
  request.workingDir = kj::str("/");
  auto sandbox = kj::mv(world.wait(world.bridge->client->list())[0]);
  auto plane = world.bridge->client->connect(sandbox);
  auto events = world.wait(plane->run(kj::mv(request)));
  while (world.wait(events->next()) != nullptr) continue;
  CHECK(world.run(*session, "pgrep -f '^sleep 30[123]' | tr '\\n' ' '") == pids);
  CHECK(world.run(*session, "pgrep -fc '^sleep 30[123]'") == "3\n");
  CHECK(world.run(*session, "pgrep -fc '^sleep 304' || true") == "0\n");
}

TEST_CASE("a sandbox that somebody takes a snapshot of works on, and is suspended and resumed after it",
          "[localcloud]") {
  World world;
  auto session = world.bridge->session("ses_copied");
  world.run(*session, "seq 1 4000 | xargs -I{} sh -c 'echo {} > f{}'; echo kept > file");
  auto sandboxes = world.wait(world.bridge->client->list());
  REQUIRE(sandboxes.size() == 1);
  auto& id = sandboxes[0].id;
  auto snapshot = [&]() {
    HttpClient::Request request;
    request.method = "POST";
    request.url = kj::str(world.cloud->url(), "/sandboxes/", id, "/snapshot");
    request.headers.add(HttpClient::Header{kj::str("Authorization"), kj::str("Bearer ", KEY)});
    return world.wait(world.bridge->http->send(kj::mv(request))).status;
  };
  auto status = [&]() {
    auto found = world.wait(world.bridge->client->get(kj::heapString(id)));
    return kj::mv(KJ_ASSERT_NONNULL(found).status);
  };
  CHECK(snapshot() == 202);
  CHECK(status() == "snapshotting");
  CHECK(world.run(*session, "cat file") == "kept\n");
  auto settled = world.wait(world.bridge->client->settle(kj::heapString(id)));
  CHECK(KJ_ASSERT_NONNULL(settled).status == "running");

  CHECK(snapshot() == 202);
  CHECK(world.wait(world.bridge->client->suspend(kj::heapString(id))).status == "suspended");
  CHECK(snapshot() == 202);
  CHECK(world.wait(world.bridge->client->resume(kj::heapString(id))).status == "running");
  CHECK(world.run(*session, "cat file") == "kept\n");
}

TEST_CASE("a sandbox that somebody else suspended is woken without the bridge knowing",
          "[localcloud]") {
  World world;
  auto session = world.bridge->session("woken");
  auto info = world.wait(session->prepare());
  world.wait(world.bridge->client->suspend(kj::heapString(info.sandboxId)));
  CHECK(world.run(*session, "echo awake") == "awake\n");
}

TEST_CASE(
    "a sandbox that somebody else deleted is told as lost, once, and the next call has a new one",
    "[localcloud]") {
  World world;
  auto session = world.bridge->session("lost");
  world.writeText(*session, "gone.txt", "x");
  auto info = world.wait(session->prepare());
  world.wait(world.bridge->client->remove(kj::heapString(info.sandboxId)));
  Output output;
  CHECK(world.failureKind(session->workspace().start(World::shell("true"), output)) ==
        ErrorKind::SANDBOX_LOST);
  CHECK(world.bridge->observer.seen == "created lost ");
  CHECK(world.run(*session, "ls -A /workspace") == "");
  CHECK(world.bridge->observer.seen == "created lost created ");
}

TEST_CASE("destroy removes the sandbox, is idempotent, and the session can begin anew",
          "[localcloud]") {
  World world;
  auto session = world.bridge->session("ending");
  world.wait(session->destroy());
  CHECK(world.bridge->observer.seen == "");
  world.writeText(*session, "a", "b");
  world.wait(session->destroy());
  world.wait(session->destroy());
  CHECK(world.bridge->observer.seen == "created deleted ");
  CHECK(world.failureKind(session->workspace().readFile("a")) == ErrorKind::NOT_FOUND);
  CHECK(world.bridge->observer.seen == "created deleted created ");
}

TEST_CASE("destroy waits for calls under way, and calls made meanwhile are refused",
          "[localcloud]") {
  World world;
  auto session = world.bridge->session("busy");
  Output output;
  auto process = world.wait(session->workspace().start(World::shell("sleep 1; echo done"), output));
  auto ended = process->wait();
  auto destroyed = session->destroy();
  CHECK(world.failureKind(session->prepare()) == ErrorKind::NOT_FOUND);
  CHECK(world.wait(kj::mv(ended)).success());
  CHECK(output.text() == "done\n");
  process = nullptr;
  world.wait(kj::mv(destroyed));
  CHECK(world.wait(session->info()).status != "running");
}

TEST_CASE("what has ended, though it is still held, does not keep a session from being destroyed",
          "[localcloud]") {
  World world;
  auto session = world.bridge->session("held");
  world.writeText(*session, "file", "x");
  Output output;
  auto process = world.wait(session->workspace().start(World::shell("true"), output));
  world.wait(process->wait());
  auto stream = world.wait(session->workspace().readFile("file"));
  world.wait(stream->readAllBytes());
  bool late = false;
  auto timer =
      world.io.provider->getTimer().afterDelay(20 * kj::SECONDS).then([&]() { late = true; });
  world.wait(session->destroy().exclusiveJoin(kj::mv(timer)));
  CHECK_FALSE(late);
  world.wait(process->signal(SIGTERM));
}

TEST_CASE("the sandbox's environment holds no key", "[localcloud]") {
  World world;
  auto session = world.bridge->session("keyless");
  auto all = world.run(*session, "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'");
  CHECK(all.size() > 0);
  CHECK(strstr(all.cStr(), KEY.cStr()) == nullptr);
  CHECK(strstr(all.cStr(), "TENSORLAKE") == nullptr);
}

TEST_CASE("list shows the sandboxes of sessions", "[localcloud]") {
  World world;
  auto session = world.bridge->session("ses_Listed");
  world.wait(session->prepare());
  tensorlake::CreateRequest other;
  other.name = kj::str("somebody-elses");
  world.wait(world.bridge->client->create(kj::mv(other)));
  auto infos = world.wait(world.bridge->sessions->list());
  REQUIRE(infos.size() == 1);
  CHECK(infos[0].id == "ses_Listed");
  CHECK(infos[0].sandboxName == sandboxName("ses_Listed"));
  CHECK(infos[0].status == "running");
}

TEST_CASE("bytes come out of a real sandbox as they were printed", "[localcloud]") {
  World world;
  auto session = world.bridge->session("bytes");
  Output output;
  auto status = world.run(
      *session, "printf 'a\\0\\377\\r\\n\\n'; printf 'err\\n\\n' >&2; printf end", output, false);
  CHECK(status.success());
  CHECK(output.text() == kj::StringPtr("a\0\377\r\n\nend", 9));
  CHECK(output.errors() == "err\n\n");
  Output large;
  status = world.run(*session, "yes 0123456789 | head -c 20000000", large);
  CHECK(status.success());
  CHECK(large.out.size() == 20000000);
  Output nothing;
  status = world.run(*session, "exit 42", nothing);
  CHECK(status.kind == ExitStatus::EXITED);
  CHECK(status.value == 42);
}

TEST_CASE("output arrives while the command runs, partial lines included", "[localcloud]") {
  World world;
  auto session = world.bridge->session("live");
  Output output;
  auto paf = kj::newPromiseAndFulfiller<void>();
  output.onChunk = [&]() { paf.fulfiller->fulfill(); };
  auto process =
      world.wait(session->workspace().start(World::shell("printf 'prompt> '; sleep 300"), output));
  auto ended = process->wait();
  world.wait(kj::mv(paf.promise));
  CHECK(output.text() == "prompt> ");
  world.wait(process->signal(SIGTERM));
  auto status = world.wait(kj::mv(ended));
  CHECK(status.shellCode() == 128 + SIGTERM);
}

TEST_CASE("a timeout ends the process group and keeps what it printed while dying",
          "[localcloud]") {
  World world;
  auto session = world.bridge->session("late");
  Output output;
  auto status =
      world.run(*session, "trap 'echo dying; exit 1' TERM; echo working; sleep 300 & wait", output,
                true, 2 * kj::SECONDS);  // long enough to set the trap on a busy machine
  CHECK(status.kind == ExitStatus::TIMED_OUT);
  CHECK(output.text() == "working\ndying\n");
  CHECK(world.run(*session, "ps ax | grep -c '[s]leep 300'; true") == "0\n");
}

TEST_CASE("dropping a process kills its group, wherever it is dropped", "[localcloud]") {
  World world;
  auto session = world.bridge->session("dropped");
  world.wait(session->prepare());
  Output output;
  bool early = GENERATE(true, false);
  auto starting = session->workspace().start(World::shell("sleep 301 & sleep 301"), output);
  if (early) {
    world.sleep(1);
    starting = nullptr;
  } else {
    auto process = world.wait(kj::mv(starting));
    auto ended = process->wait();
    world.sleep(50);
  }
  kj::String left;
  for (int i = 0; i < 100; ++i) {
    world.sleep(early && i == 0 ? 300 : 50);
    left = world.run(*session, "ps ax | grep -c '[s]leep 301'; true");
    if (left == "0\n") break;
  }
  CHECK(left == "0\n");
}

TEST_CASE("standard input is written, and closed", "[localcloud]") {
  World world;
  auto session = world.bridge->session("stdin");
  Output output;
  WorkspaceCommand command = World::shell("wc -c; echo done >&2", false);
  command.keepStdin = true;
  auto process = world.wait(session->workspace().start(kj::mv(command), output));
  auto ended = process->wait();
  auto bytes = kj::heapArray<kj::byte>(100000);
  memset(bytes.begin(), 0, bytes.size());
  world.wait(process->writeStdin(bytes));
  world.wait(process->writeStdin("\xff\n"_kj.asBytes()));
  world.wait(process->closeStdin());
  CHECK(world.wait(kj::mv(ended)).success());
  CHECK(output.text() == "100002\n");
  CHECK(output.errors() == "done\n");
}

TEST_CASE("a command that reads late holds its input back, and no request waits for it", "[localcloud]") {
  World world;
  auto session = world.bridge->session("late");
  Output output;
  auto command = World::shell("while ! [ -e go ]; do sleep 0.02; done; cksum");
  command.keepStdin = true;
  auto process = world.wait(session->workspace().start(kj::mv(command), output));
  auto ended = process->wait();
  auto bytes = kj::heapArray<kj::byte>(3 << 20);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<kj::byte>(i * 2654435761u >> 24);

  // As much as the window takes is taken without the command.
  world.wait(process->writeStdin(bytes.slice(0, 1 << 20)));
  bool isWritten = false;
  auto rest = process->writeStdin(bytes.slice(1 << 20, bytes.size())).then([&]() { isWritten = true; }).eagerlyEvaluate(nullptr);
  world.sleep(300);
  CHECK(!isWritten);

  world.run(*session, "touch go");
  world.wait(kj::mv(rest));
  world.wait(process->closeStdin());
  CHECK(world.wait(kj::mv(ended)).success());
  world.wait(session->workspace().writeFile("same", kj::mv(bytes)));
  CHECK(output.text() == world.run(*session, "cksum <same"));
}

TEST_CASE("what is written to a command that has closed its input is refused", "[localcloud]") {
  World world;
  auto session = world.bridge->session("closed");
  Output output;
  auto command = World::shell("exec </dev/null; echo closed; while ! [ -e go ]; do sleep 0.02; done");
  command.keepStdin = true;
  auto process = world.wait(session->workspace().start(kj::mv(command), output));
  auto ended = process->wait();
  for (int i = 0; i < 500 && output.text() != "closed\n"; ++i) world.sleep(20);
  REQUIRE(output.text() == "closed\n");
  auto bytes = kj::heapArray<kj::byte>(4 << 20);
  memset(bytes.begin(), 'x', bytes.size());
  CHECK(world.failureKind(process->writeStdin(bytes)) == ErrorKind::INVALID_ARGUMENT);
  world.run(*session, "touch go");
  CHECK(world.wait(kj::mv(ended)).success());
}

TEST_CASE("a missing working directory is told by name", "[localcloud]") {
  World world;
  auto session = world.bridge->session("workdir");
  Output output;
  auto command = World::shell("pwd");
  command.workdir = kj::str("no such dir");
  CHECK(world.failureKind(session->workspace().start(kj::mv(command), output)) ==
        ErrorKind::NOT_FOUND);
  CHECK(world.lastError == "the working directory /workspace/no such dir does not exist.");
  world.writeText(*session, "file", "x");
  command = World::shell("pwd");
  command.workdir = kj::str("file");
  CHECK(world.failureKind(session->workspace().start(kj::mv(command), output)) ==
        ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE("scripts return exact bytes, apart, with their code", "[localcloud]") {
  World world;
  auto session = world.bridge->session("scripts");
  auto args = []() { return kj::arr(kj::str("$(id)"), kj::str("a'b\n"), kj::str("")); };
  auto captured = world.wait(session->workspace().runScript(
      "printf '%s|' \"$@\"; printf 'x\\0\\377' ; printf 'err\\n' >&2; pwd; exit 3", args()));
  CHECK(kj::heapString(captured.output.asChars()) ==
        kj::StringPtr("$(id)|a'b\n||x\0\377/workspace\n", 26));
  CHECK(kj::heapString(captured.errorOutput.asChars()) == "err\n");
  CHECK(captured.status.value == 3);
  auto large = world.wait(session->workspace().runScript("head -c 5000000 /dev/zero", {}));
  CHECK(large.output.size() == 5000000);
  CHECK(world.failureKind(session->workspace().runScript("head -c 5000000 /dev/zero", {}, 1000)) ==
        ErrorKind::FAILED);
}

TEST_CASE("files of every size survive a round trip, and parents are made", "[localcloud]") {
  World world;
  auto session = world.bridge->session("files");
  for (size_t size : {size_t(0), size_t(1), size_t(72 << 10), size_t((72 << 10) + 1),
                      size_t(1 << 20), size_t((1 << 20) + 1), size_t(20 << 20)}) {
    INFO(size);
    auto bytes = kj::heapArray<kj::byte>(size);
    uint32_t state = 1;
    for (auto& b : bytes) b = (state = state * 1664525 + 1013904223) >> 24;
    auto path = kj::str("deep/er '\"$(x)\n-", size, "/-file +%41 ä");
    world.wait(session->workspace().writeFile(path, kj::heapArray<kj::byte>(bytes.asPtr())));
    auto back = world.readAll(*session, path);
    REQUIRE(back.size() == size);
    CHECK(memcmp(back.begin(), bytes.begin(), size) == 0);
  }
  CHECK(world.run(*session, "find . -name '.sandbridge*' | wc -l") == "0\n");
}

TEST_CASE("writing keeps mode, hard links and symbolic links", "[localcloud]") {
  World world;
  auto session = world.bridge->session("links");
  world.run(
      *session,
      "mkdir d; echo old > d/real; chmod 751 d/real; ln -s d/real link; ln -s nowhere dangling; "
      "echo old > one; chmod 640 one; ln one two");
  auto padding = kj::str(kj::repeat('x', 100000));
  for (kj::StringPtr text : {"new"_kj, kj::StringPtr(padding)}) {
    world.writeText(*session, "link", text);
    world.writeText(*session, "one", text);
    world.writeText(*session, "dangling", text);
    CHECK(world.readText(*session, "d/real") == text);
    CHECK(world.readText(*session, "two") == text);
    CHECK(world.readText(*session, "nowhere") == text);
    CHECK(
        world.run(
            *session,
            "stat -c %a d/real one; readlink link; stat -c %h one; find . -name '.sandbridge*'") ==
        "751\n640\nd/real\n2\n");
  }
}

TEST_CASE("a file is replaced only if it is still as the caller knows it", "[localcloud]") {
  World world;
  auto session = world.bridge->session("replace");
  auto& space = session->workspace();
  auto replace = [&](kj::StringPtr path, kj::Maybe<kj::StringPtr> before, kj::StringPtr after) {
    return world.wait(space.replaceFile(path, before.map([](kj::StringPtr b) { return b.asBytes(); }),
                                        after.asBytes()));
  };
  auto padding = kj::str(kj::repeat('x', 300000));
  auto big = kj::str("one ", padding, " two"), bigger = kj::str("One", big.slice(3));
  auto longer = kj::str(bigger, " three"),
       parted = kj::str(longer.slice(0, 150000), "|", longer.slice(150010));
  for (kj::StringPtr path : {"new/file"_kj, "-a 'b\"$(c)\n"_kj}) {
    CHECK(replace(path, nullptr, "") == nullptr);
    CHECK(replace(path, ""_kj, "one two\n") == nullptr);
    CHECK(replace(path, "one two\n"_kj, "one and two\n") == nullptr);
    CHECK(replace(path, "one and two\n"_kj, "one two\n") == nullptr);
    CHECK(replace(path, "one two\n"_kj, "two\n") == nullptr);
    CHECK(replace(path, "two\n"_kj, "two") == nullptr);
    CHECK(replace(path, "two"_kj, "two\ntwo") == nullptr);
    CHECK(replace(path, "two\ntwo"_kj, "two\ntwo") == nullptr);
    CHECK(world.readText(*session, path) == "two\ntwo");
    // What changes travels, not the whole file; or, if it is too much for one request, in several.
    CHECK(replace(path, "two\ntwo"_kj, big) == nullptr);
    CHECK(replace(path, kj::StringPtr(big), bigger) == nullptr);
    CHECK(replace(path, kj::StringPtr(bigger), longer) == nullptr);
    CHECK(replace(path, kj::StringPtr(longer), parted) == nullptr);
    CHECK(world.readText(*session, path) == parted);
    CHECK(replace(path, kj::StringPtr(parted), padding) == nullptr);
    CHECK(world.readText(*session, path) == padding);
    CHECK(replace(path, kj::StringPtr(padding), "end") == nullptr);
    CHECK(world.readText(*session, path) == "end");

    for (auto before : {kj::Maybe<kj::StringPtr>("en"_kj), kj::Maybe<kj::StringPtr>(nullptr),
                        kj::Maybe<kj::StringPtr>("end\n"_kj), kj::Maybe<kj::StringPtr>("enD"_kj)}) {
      for (kj::StringPtr after : {"mine"_kj, kj::StringPtr(big)}) {
        auto present = replace(path, before, after);
        auto& state = KJ_ASSERT_NONNULL(present);
        CHECK(state.isRegular());
        CHECK(kj::heapString(KJ_ASSERT_NONNULL(state.content).asChars()) == "end");
      }
    }
    CHECK(world.readText(*session, path) == "end");
  }
  // What was there is something else now, or gone.
  world.run(*session, "mkdir dir; ln -s new/file link; ln new/file other; ln -s none dangling");
  CHECK(KJ_ASSERT_NONNULL(replace("dir", "x"_kj, "y")).isDirectory());
  CHECK(KJ_ASSERT_NONNULL(replace("gone", "x"_kj, "y")).error == StatError::MISSING);
  CHECK(KJ_ASSERT_NONNULL(replace("gone/x", "x"_kj, "y")).error == StatError::MISSING);
  CHECK(world.run(*session, "ls -d gone 2>&1 | wc -l; ls dir") == "1\n");
  CHECK(replace("link", "end"_kj, "END") == nullptr);
  CHECK(replace("dangling", nullptr, "made") == nullptr);
  CHECK(world.run(*session, "readlink link; cat link other none; find . -name '.sandbridge*'") ==
        "new/file\nENDENDmade");
}

TEST_CASE("what cannot be written is told in words, and nothing is half-written", "[localcloud]") {
  World world;
  auto session = world.bridge->session("refused");
  world.run(*session, "mkdir dir; mkfifo fifo; ln -s loop loop; echo x > file");
  auto& space = session->workspace();
  auto content = [](size_t size) { return kj::heapArray<kj::byte>(size); };
  for (size_t size : {size_t(3), size_t(100000), size_t(3 << 20)}) {
    CHECK(world.failureKind(space.writeFile("dir", content(size))) == ErrorKind::INVALID_ARGUMENT);
    CHECK(world.lastError == "/workspace/dir is a directory, not a file.");
    CHECK(world.failureKind(space.writeFile("fifo", content(size))) == ErrorKind::INVALID_ARGUMENT);
    CHECK(world.failureKind(space.writeFile("loop", content(size))) == ErrorKind::INVALID_ARGUMENT);
    CHECK(world.failureKind(space.writeFile("file/x", content(size))) == ErrorKind::FAILED);
    CHECK(world.failureKind(space.writeFile("slash/", content(size))) == ErrorKind::INVALID_ARGUMENT);
  }
  CHECK(world.failureKind(space.readFile("dir")) == ErrorKind::INVALID_ARGUMENT);
  CHECK(world.failureKind(space.readFile("none")) == ErrorKind::NOT_FOUND);
  CHECK(world.lastError == "/workspace/none does not exist.");
  CHECK(world.failureKind(space.readFile("file/x")) == ErrorKind::NOT_FOUND);
  INFO(world.lastError.cStr());
  CHECK(world.failureKind(space.readFile(kj::StringPtr("a\0b", 3))) == ErrorKind::INVALID_ARGUMENT);
  CHECK(world.run(*session, "ls -A; cat file") == "dir\nfifo\nfile\nloop\nx\n");
}

TEST_CASE("a full disk leaves the old content, and no temporary file", "[localcloud]") {
  World world;
  auto session = world.bridge->session("full");
  // The one small file system that every sandbox has.
  world.run(*session,
            "cd /dev/shm && echo old > file && echo old > one && ln one two && "
            "head -c 4000 /dev/zero > spare && cat /dev/zero > filler 2>/dev/null; rm spare");
  for (size_t size : {size_t(60000), size_t(500000), size_t(3 << 20)}) {
    INFO(size);
    for (kj::StringPtr name : {"/dev/shm/file"_kj, "/dev/shm/one"_kj, "/dev/shm/new"_kj}) {
      CHECK(world.failureKind(session->workspace().writeFile(
                name, kj::heapArray<kj::byte>(size))) == ErrorKind::FAILED);
      CHECK(strstr(world.lastError.cStr(), "No space left on device") != nullptr);
      // In terms of the caller's file, not of the temporary one.
      CHECK(strstr(world.lastError.cStr(), name.cStr()) != nullptr);
      CHECK(strstr(world.lastError.cStr(), ".sandbridge-") == nullptr);
    }
    // What an upload left goes in the background.
    kj::String left;
    for (int i = 0; i < 100; ++i) {
      left = world.run(*session, "ls -A /dev/shm");
      if (left == "file\nfiller\none\ntwo\n") break;
      world.sleep(50);
    }
    CHECK(left == "file\nfiller\none\ntwo\n");
    CHECK(world.run(*session, "cat /dev/shm/file /dev/shm/two") == "old\nold\n");
  }
}

TEST_CASE("dropping a file stream in its middle leaves the session usable", "[localcloud]") {
  World world;
  auto session = world.bridge->session("halfway");
  world.run(*session, "head -c 30000000 /dev/zero > big");
  {
    auto stream = world.wait(session->workspace().readFile("big"));
    char buffer[1000];
    world.wait(stream->read(buffer, sizeof(buffer)));
  }
  CHECK(world.run(*session, "echo fine") == "fine\n");
}

// Not a test of speed: prints what a call costs on this machine.
TEST_CASE("cost of the command script", "[.][measure]") {
  World world;
  auto session = world.bridge->session("cost");
  auto info = world.wait(session->prepare());
  auto sandbox =
      KJ_ASSERT_NONNULL(world.wait(world.bridge->client->get(kj::heapString(info.sandboxId))));
  auto plane = world.bridge->client->connect(sandbox);
  auto measure = [&](const char* what, kj::Function<void()> action) {
    action();
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) action();
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    std::cout << what << ": " << took.count() / 100 << " ms" << std::endl;
  };
  measure("plain run of true", [&]() {
    tensorlake::ProcessRequest request;
    request.command = kj::str("true");
    auto events = world.wait(plane->run(kj::mv(request)));
    while (world.wait(events->next()) != nullptr) {
    }
  });
  measure("true, merged", [&]() {
    Output output;
    WorkspaceCommand command;
    command.argv = kj::arr(kj::str("true"));
    command.mergeStderr = true;
    world.wait(world.wait(session->workspace().start(kj::mv(command), output))->wait());
  });
  measure("true, apart", [&]() {
    Output output;
    WorkspaceCommand command;
    command.argv = kj::arr(kj::str("true"));
    world.wait(world.wait(session->workspace().start(kj::mv(command), output))->wait());
  });
  measure("runScript of :", [&]() { world.wait(session->workspace().runScript(":", {})); });
  measure("write of 1 KiB", [&]() {
    world.wait(session->workspace().writeFile("f", kj::heapArray<kj::byte>(1024)));
  });
  measure("read of 1 KiB", [&]() { world.readAll(*session, "f"); });
}
