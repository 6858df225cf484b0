#include "rpc/fakes.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandbridge::test {

kj::Array<kj::byte> bytesOf(kj::StringPtr text) {
  return kj::heapArray<kj::byte>(text.asBytes());
}

kj::String textIn(kj::ArrayPtr<const kj::byte> bytes) {
  return kj::heapString(bytes.asChars().begin(), bytes.size());
}

Failure failureOf(kj::Promise<void> promise, kj::WaitScope& waitScope) {
  kj::Maybe<kj::Exception> exception;
  promise.then([]() {}, [&](kj::Exception&& e) { exception = kj::mv(e); }).wait(waitScope);
  KJ_IF_MAYBE(e, exception) {
    return {kindOf(*e), textOf(*e), kj::str(*e)};
  }
  FAIL("the promise was not rejected");
  KJ_UNREACHABLE;
}

void waitUntil(kj::AsyncIoContext& io, kj::Function<bool()> condition) {
  auto& timer = io.provider->getTimer();
  auto end = timer.now() + 10 * kj::SECONDS;
  while (!condition()) {
    REQUIRE(timer.now() < end);
    timer.afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
  }
}

namespace {

class FakeWorkspaceProcess final : public WorkspaceProcess {
 public:
  FakeWorkspaceProcess(FakeProcess& process, kj::Promise<ExitStatus> end)
      : process(process), end(kj::mv(end)) {}
  ~FakeWorkspaceProcess() noexcept(false) { process.dropped = true; }

  kj::Promise<ExitStatus> wait() override { return kj::mv(end); }
  kj::Promise<void> signal(int number) override {
    process.signals.add(number);
    return kj::READY_NOW;
  }
  kj::Promise<void> terminate() override { return signal(SIGTERM); }
  kj::Promise<void> writeStdin(kj::ArrayPtr<const kj::byte> bytes) override {
    process.stdinText = kj::str(process.stdinText, textIn(bytes));
    return kj::READY_NOW;
  }
  kj::Promise<void> closeStdin() override {
    process.stdinClosed = true;
    return kj::READY_NOW;
  }

 private:
  FakeProcess& process;
  kj::Promise<ExitStatus> end;
};

}  // namespace

kj::Promise<kj::Own<WorkspaceProcess>> FakeWorkspace::start(WorkspaceCommand command,
                                                            OutputReceiver& output) {
  KJ_IF_MAYBE(e, startFailure) { return kj::cp(*e); }
  auto paf = kj::newPromiseAndFulfiller<ExitStatus>();
  auto process = kj::heap<FakeProcess>();
  process->command = kj::mv(command);
  process->output = &output;
  process->ending = kj::mv(paf.fulfiller);
  kj::Own<WorkspaceProcess> result = kj::heap<FakeWorkspaceProcess>(*process, kj::mv(paf.promise));
  processes.add(kj::mv(process));
  return kj::mv(result);
}

kj::Promise<Workspace::Captured> FakeWorkspace::runScript(kj::StringPtr script, kj::Array<kj::String> args,
                                                          size_t limit) {
  int fds[2];
  KJ_SYSCALL(pipe2(fds, O_CLOEXEC));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  kj::Vector<char*> argv;
  for (auto word : {"sh", "-c"}) argv.add(const_cast<char*>(word));
  argv.add(const_cast<char*>(script.cStr()));
  argv.add(const_cast<char*>("sh"));
  for (auto& arg : args) argv.add(arg.begin());
  argv.add(nullptr);
  pid_t pid;
  REQUIRE(posix_spawn(&pid, "/bin/sh", &actions, nullptr, argv.begin(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(fds[1]);
  kj::Vector<kj::byte> out;
  kj::byte buffer[4096];
  for (;;) {
    auto n = read(fds[0], buffer, sizeof(buffer));
    if (n <= 0) break;
    out.addAll(kj::arrayPtr(buffer, n));
  }
  close(fds[0]);
  int status;
  KJ_SYSCALL(waitpid(pid, &status, 0));
  Captured captured;
  captured.status.kind = WIFEXITED(status) ? ExitStatus::EXITED : ExitStatus::SIGNALED;
  captured.status.value = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
  captured.output = out.releaseAsArray();
  return kj::mv(captured);
}

namespace {

class BytesStream final : public kj::AsyncInputStream {
 public:
  explicit BytesStream(kj::ArrayPtr<const kj::byte> bytes): rest(bytes) {}
  kj::Promise<size_t> tryRead(void* buffer, size_t, size_t maxBytes) override {
    auto n = kj::min(maxBytes, rest.size());
    if (n > 0) memcpy(buffer, rest.begin(), n);
    rest = rest.slice(n, rest.size());
    return n;
  }

 private:
  kj::ArrayPtr<const kj::byte> rest;
};

}  // namespace

kj::Promise<kj::Own<kj::AsyncInputStream>> FakeWorkspace::readFile(kj::StringPtr path) {
  KJ_IF_MAYBE(content, files.find(path)) {
    return kj::Own<kj::AsyncInputStream>(kj::heap<BytesStream>(content->asPtr()));
  }
  return makeError(ErrorKind::NOT_FOUND, kj::str("there is no ", path));
}

kj::Promise<void> FakeWorkspace::writeFile(kj::StringPtr path, kj::Own<kj::AsyncInputStream> content,
                                           uint64_t size) {
  auto name = kj::str(path);
  ++writesBegun;
  KJ_IF_MAYBE(e, writeFailure) { kj::throwFatalException(kj::cp(*e)); }
  auto bytes = co_await content->readAllBytes();
  KJ_ASSERT(bytes.size() == size);
  if (holdWrites) {
    auto dropped = kj::defer([this]() { ++writesDropped; });
    co_await kj::Promise<void>(kj::NEVER_DONE);
  }
  files.upsert(kj::mv(name), kj::mv(bytes), [](auto& old, auto&& replacement) { old = kj::mv(replacement); });
}

kj::Promise<SessionInfo> FakeSession::info() {
  KJ_IF_MAYBE(e, failure) { return kj::cp(*e); }
  SessionInfo result;
  result.id = kj::str(id);
  result.sandboxName = kj::str("opencode-", id);
  result.status = kj::str(status);
  result.createdAt = 1700000000123;
  return kj::mv(result);
}

kj::Promise<SessionInfo> FakeSession::prepare() {
  status = kj::str("running");
  return info();
}

kj::Promise<void> FakeSession::suspend() {
  status = kj::str("suspended");
  return kj::READY_NOW;
}

kj::Promise<void> FakeSession::destroy() {
  if (holdDestroy) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    destroying = kj::mv(paf.fulfiller);
    co_await paf.promise;
  }
  destroyed = true;
}

kj::Own<Session> FakeSessions::get(kj::StringPtr rootSessionId, SandboxOptions options) {
  lastOptions = kj::mv(options);
  return kj::addRef(session(rootSessionId));
}

FakeSession& FakeSessions::session(kj::StringPtr id) {
  KJ_IF_MAYBE(known, sessions.find(id)) { return **known; }
  auto made = kj::refcounted<FakeSession>(id);
  auto& result = *made;
  sessions.insert(kj::str(id), kj::mv(made));
  return result;
}

kj::Promise<kj::Array<SessionInfo>> FakeSessions::list() {
  kj::Vector<SessionInfo> infos;
  for (auto& entry : sessions) infos.add(co_await entry.value->info());
  co_return infos.releaseAsArray();
}

void FakeSessions::removeObserver(SessionObserver& observer) {
  kj::Vector<SessionObserver*> rest;
  for (auto o : observers) {
    if (o != &observer) rest.add(o);
  }
  observers = kj::mv(rest);
}

void FakeSessions::emit(kj::StringPtr id, SessionEventKind kind, kj::StringPtr text) {
  for (auto observer : observers) observer->sessionEvent({id, kind, text});
}

TestBridge::TestBridge() {
  RpcApi::Options options;
  options.version = kj::str("1.2.3");
  rpcApi = newRpcApi(sessions, [this](kj::StringPtr, Workspace&) -> kj::Own<Toolbox> {
    ++toolboxes;
    return kj::heap<FakeToolbox>(handler, rests);
  }, kj::mv(options));
  toolboxes = 0;  // the one that was asked for its names
  front = newNoFront(table);
  RpcServiceOptions serviceOptions;
  serviceOptions.token = kj::str(TOKEN);
  serviceOptions.allowedOrigins = kj::heapArray<kj::String>(1);
  serviceOptions.allowedOrigins[0] = kj::str("https://good.example");
  serviceOptions.health = kj::str("{\"status\":\"ok\"}\n");
  service = newRpcService(*rpcApi, table, *front, kj::mv(serviceOptions));
  port = withKeepAlive(io.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io.waitScope)->listen());
  serving = serveHttp(*port, io.provider->getTimer(), table, *service).eagerlyEvaluate(nullptr);
}

TestBridge::~TestBridge() noexcept(false) {
  serving = nullptr;
  // Calls that were cut off end within a few turns.
  io.provider->getTimer().afterDelay(2 * kj::MILLISECONDS).wait(io.waitScope);
}

kj::Own<RpcClient> TestBridge::connect() {
  return connectRpc(io.provider->getNetwork(), io.provider->getTimer(), url(), kj::str(TOKEN))
      .wait(io.waitScope);
}

api::Session::Client openSession(RpcClient& client, kj::StringPtr id, kj::StringPtr root) {
  auto request = client.api().sessionRequest();
  request.initKey().setId(id);
  request.getKey().setRoot(root);
  return request.send().getSession();
}

class Received::Sink final : public api::ByteSink::Server {
 public:
  explicit Sink(Received& r): received(r) { r.sink = this; }
  ~Sink() noexcept(false) {
    KJ_IF_MAYBE(r, received) {
      r->dropped = true;
      r->sink = nullptr;
    }
  }

  kj::Maybe<Received&> received;

  kj::Promise<void> write(WriteContext context) override {
    KJ_IF_MAYBE(r, received) {
      auto bytes = context.getParams().getBytes();
      ++r->writes;
      r->largest = kj::max(r->largest, unsigned(bytes.size()));
      KJ_IF_MAYBE(e, r->failure) { return kj::cp(*e); }
      r->bytes.addAll(bytes);
      KJ_IF_MAYBE(gate, r->gate) { return gate->addBranch(); }
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> done(DoneContext) override {
    KJ_IF_MAYBE(r, received) { r->done = true; }
    return kj::READY_NOW;
  }
};

Received::~Received() {
  if (sink != nullptr) sink->received = nullptr;
}

api::ByteSink::Client newSink(Received& received) {
  KJ_REQUIRE(received.sink == nullptr, "one sink at a time");
  return kj::heap<Received::Sink>(received);
}

}  // namespace sandbridge::test
