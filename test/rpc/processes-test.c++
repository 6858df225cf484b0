// Processes over a real connection.

#include "rpc/fakes.h"

#include <catch2/catch.hpp>

namespace sandbridge::test {
namespace {

struct Streams {
  Received out, err;
};

auto startProcess(RpcClient& client, Streams& streams, kj::ArrayPtr<const kj::StringPtr> argv,
                  bool withStdin = false) {
  auto request = openSession(client, "s").processesRequest().send().getProcesses().startRequest();
  auto words = request.initCommand().initArgv(argv.size());
  for (auto i : kj::indices(argv)) words.set(i, argv[i]);
  request.getCommand().setStdin(withStdin);
  request.setStdout(newSink(streams.out));
  request.setStderr(newSink(streams.err));
  return request.send();
}

FakeProcess& processOf(TestBridge& bridge) {
  auto& processes = bridge.sessions.session("s").files.processes;
  waitUntil(bridge.io, [&]() { return processes.size() > 0; });
  return *processes.back();
}

const kj::StringPtr LS[] = {"ls"_kj, "-l"_kj, "a b"_kj};

TEST_CASE("a command starts as it was given") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto request = openSession(*client, "s").processesRequest().send().getProcesses().startRequest();
  auto command = request.initCommand();
  auto argv = command.initArgv(2);
  argv.set(0, "printf");
  argv.set(1, "$(x) '");
  command.setWorkdir("sub dir");
  auto variable = command.initEnvironment(1)[0];
  variable.setName("A");
  variable.setValue("1\n2");
  command.setTimeoutMs(1500);
  command.setMergeStderr(true);
  auto process = request.send().wait(bridge.io.waitScope).getProcess();
  auto& seen = processOf(bridge).command;
  REQUIRE(seen.argv.size() == 2);
  CHECK(seen.argv[1] == "$(x) '");
  CHECK(seen.workdir == "sub dir");
  CHECK(seen.environment[0].name == "A");
  CHECK(seen.environment[0].value == "1\n2");
  CHECK(KJ_ASSERT_NONNULL(seen.timeout) == 1500 * kj::MILLISECONDS);
  CHECK(seen.mergeStderr);
  CHECK(!seen.keepStdin);
}

TEST_CASE("commands that cannot be are refused") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto processes = openSession(*client, "s").processesRequest().send().getProcesses();
  auto empty = failureOf(processes.startRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(empty.kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(empty.text == "the command is empty");

  auto request = processes.startRequest();
  request.initCommand().initArgv(1).set(0, "ls");
  request.getCommand().initEnvironment(1)[0].setName("A=B");
  auto variable = failureOf(request.send().ignoreResult(), bridge.io.waitScope);
  CHECK(variable.kind == ErrorKind::INVALID_ARGUMENT);

  auto late = processes.startRequest();
  late.initCommand().initArgv(1).set(0, "ls");
  late.getCommand().setTimeoutMs(~0ull);
  CHECK(failureOf(late.send().ignoreResult(), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(bridge.sessions.session("s").files.processes.size() == 0);
}

kj::Promise<void> print(FakeProcess& process, unsigned chunks) {
  auto chunk = kj::heapArray<kj::byte>(64u << 10);
  for (unsigned i = 0; i < chunks; ++i) {
    memset(chunk.begin(), 'a' + i % 26, chunk.size());
    co_await process.output->stdoutChunk(chunk);
  }
  co_await process.output->stderrChunk(kj::StringPtr("oops").asBytes());
  process.ending->fulfill({ExitStatus::EXITED, 3});
}

TEST_CASE("output arrives in order, then done, then the exit status") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  auto process = startProcess(*client, streams, LS).wait(bridge.io.waitScope).getProcess();
  constexpr unsigned CHUNKS = 100;
  auto printing = print(processOf(bridge), CHUNKS);
  auto waiting = process.waitRequest().send().then([&](auto&& response) {
    CHECK(streams.out.done);
    CHECK(streams.err.done);
    CHECK(response.getStatus().isCode());
    CHECK(response.getStatus().getCode() == 3);
  });
  printing.wait(bridge.io.waitScope);
  waiting.wait(bridge.io.waitScope);
  REQUIRE(streams.out.bytes.size() == CHUNKS * (64u << 10));
  for (unsigned i = 0; i < CHUNKS; ++i) REQUIRE(streams.out.bytes[i * (64u << 10)] == 'a' + i % 26);
  CHECK(textIn(streams.err.bytes) == "oops");
}

TEST_CASE("signals and timeouts are told as such, also to those who ask late") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams first, second;
  auto killed = startProcess(*client, first, LS).wait(bridge.io.waitScope).getProcess();
  processOf(bridge).ending->fulfill({ExitStatus::SIGNALED, 9});
  waitUntil(bridge.io, [&]() { return first.out.done && first.err.done; });
  auto status = killed.waitRequest().send().wait(bridge.io.waitScope);
  CHECK(status.getStatus().getSignal() == 9);
  auto late = startProcess(*client, second, LS).wait(bridge.io.waitScope).getProcess();
  processOf(bridge).ending->fulfill({ExitStatus::TIMED_OUT, 0});
  CHECK(late.waitRequest().send().wait(bridge.io.waitScope).getStatus().isTimeout());
}

TEST_CASE("a slow sink holds the command's output back") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  auto paf = kj::newPromiseAndFulfiller<void>();
  streams.out.gate = paf.promise.fork();
  auto process = startProcess(*client, streams, LS).wait(bridge.io.waitScope).getProcess();
  auto& running = processOf(bridge);
  unsigned sent = 0;
  auto chunk = kj::heapArray<kj::byte>(64u << 10);
  auto loop = [](OutputReceiver& output, kj::ArrayPtr<kj::byte> chunk, unsigned& sent) -> kj::Promise<void> {
    for (; sent < 100; ++sent) co_await output.stdoutChunk(chunk);
  };
  auto printing = loop(*running.output, chunk, sent).eagerlyEvaluate(nullptr);
  waitUntil(bridge.io, [&]() { return streams.out.writes > 0; });
  for (unsigned i = 0; i < 20; ++i) bridge.io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(bridge.io.waitScope);
  CHECK(sent < 20);
  paf.fulfiller->fulfill();
  printing.wait(bridge.io.waitScope);
  CHECK(sent == 100);
}

TEST_CASE("dropping the Process ends the command") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  {
    auto process = startProcess(*client, streams, LS).wait(bridge.io.waitScope).getProcess();
    CHECK(!processOf(bridge).dropped);
  }
  waitUntil(bridge.io, [&]() { return processOf(bridge).dropped; });
  waitUntil(bridge.io, [&]() { return streams.out.dropped && streams.err.dropped; });
  CHECK(!streams.out.done);
}

TEST_CASE("hanging up ends the connection's commands and no others") {
  TestBridge bridge;
  auto leaving = bridge.connect();
  auto staying = bridge.connect();
  Streams one, two;
  auto a = startProcess(*leaving, one, LS).wait(bridge.io.waitScope).getProcess();
  auto& ended = processOf(bridge);
  auto b = startProcess(*staying, two, LS).wait(bridge.io.waitScope).getProcess();
  auto& kept = processOf(bridge);
  REQUIRE(&ended != &kept);
  leaving = nullptr;
  waitUntil(bridge.io, [&]() { return ended.dropped; });
  CHECK(!kept.dropped);
}

TEST_CASE("a sink that fails ends the command, and whoever waits is told why") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  streams.out.failure = KJ_EXCEPTION(FAILED, "disk full at the client");
  auto process = startProcess(*client, streams, LS).wait(bridge.io.waitScope).getProcess();
  auto& running = processOf(bridge);
  // As the real workspace does: the failure of the receiver is the failure of wait().
  auto loop = [](FakeProcess& running) -> kj::Promise<void> {
    auto chunk = kj::heapArray<kj::byte>(64u << 10);
    try {
      for (unsigned i = 0; i < 1000; ++i) co_await running.output->stdoutChunk(chunk);
    } catch (kj::Exception& e) {
      running.ending->reject(kj::mv(e));
    }
  };
  auto printing = loop(running).eagerlyEvaluate(nullptr);
  auto failure = failureOf(process.waitRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(failure.text == "disk full at the client");
  CHECK(running.dropped);
}

TEST_CASE("standard input goes through, to its end") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  auto process = startProcess(*client, streams, LS, true).wait(bridge.io.waitScope).getProcess();
  auto& running = processOf(bridge);
  CHECK(running.command.keepStdin);
  auto sink = process.stdinRequest().send().getSink();
  auto request = sink.writeRequest();
  request.setBytes(kj::StringPtr("hello").asBytes());
  request.send().wait(bridge.io.waitScope);
  sink.doneRequest().send().wait(bridge.io.waitScope);
  CHECK(running.stdinText == "hello");
  CHECK(running.stdinClosed);
}

TEST_CASE("standard input that was not asked for is refused") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  auto process = startProcess(*client, streams, LS).wait(bridge.io.waitScope).getProcess();
  auto failure = failureOf(process.stdinRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(failure.kind == ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE("a write of more than 1 MiB is refused") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  auto process = startProcess(*client, streams, LS, true).wait(bridge.io.waitScope).getProcess();
  auto sink = process.stdinRequest().send().getSink();
  auto request = sink.writeRequest();
  request.initBytes((1u << 20) + 1);
  request.send().wait(bridge.io.waitScope);  // streaming: the failure shows at `done`
  auto failure = failureOf(sink.doneRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(failure.kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(failure.text == "one write holds more than 1 MiB");
  CHECK(processOf(bridge).stdinText == "");
}

TEST_CASE("signals go to a running command, and are notFound once it has ended") {
  TestBridge bridge;
  auto client = bridge.connect();
  Streams streams;
  auto process = startProcess(*client, streams, LS).wait(bridge.io.waitScope).getProcess();
  auto& running = processOf(bridge);
  auto send = [&](uint8_t number) {
    auto request = process.signalRequest();
    request.setNumber(number);
    return request.send().ignoreResult();
  };
  send(15).wait(bridge.io.waitScope);
  REQUIRE(running.signals.size() == 1);
  CHECK(running.signals[0] == 15);
  CHECK(failureOf(send(0), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(failureOf(send(200), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  running.ending->fulfill({ExitStatus::EXITED, 0});
  process.waitRequest().send().wait(bridge.io.waitScope);
  CHECK(failureOf(send(15), bridge.io.waitScope).kind == ErrorKind::NOT_FOUND);
}

TEST_CASE("a connection cannot have more commands than its limit, and each that ends makes room") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto other = bridge.connect();
  auto start = [&](RpcClient& from) {
    auto request = openSession(from, "s").processesRequest().send().getProcesses().startRequest();
    request.initCommand().initArgv(1).set(0, "ls");
    return request.send();
  };
  kj::Vector<api::Process::Client> running;
  for (unsigned i = 0; i < 256; ++i) running.add(start(*client).wait(bridge.io.waitScope).getProcess());
  auto failure = failureOf(start(*client).ignoreResult(), bridge.io.waitScope);
  CHECK(failure.kind == ErrorKind::FAILED);
  CHECK(strstr(failure.text.cStr(), "limit of 256 processes") != nullptr);
  start(*other).wait(bridge.io.waitScope);
  running.removeLast();
  client->api().pingRequest().send().wait(bridge.io.waitScope);
  start(*client).wait(bridge.io.waitScope);
}

}  // namespace
}  // namespace sandbridge::test
