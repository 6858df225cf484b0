#pragma once
// What lies under rpc/, made of strings and flags, and a bridge over it that serves real WebSockets on loopback.

#include "base/coroutine.h"
#include "base/error.h"
#include "net/http-server.h"
#include "rpc/rpc-api.h"
#include "rpc/rpc-client.h"
#include "rpc/rpc-service.h"

#include <kj/async-io.h>
#include <kj/debug.h>
#include <kj/map.h>

namespace sandbridge::test {

kj::Array<kj::byte> bytesOf(kj::StringPtr text);
kj::String textIn(kj::ArrayPtr<const kj::byte> bytes);

// The kind and text of what a promise rejects with; fails the test when it does not.
struct Failure {
  ErrorKind kind;
  kj::String text;
  kj::String raw;
};
Failure failureOf(kj::Promise<void> promise, kj::WaitScope& waitScope);

// Turns the loop until `condition` holds; gives up after 10 s.
void waitUntil(kj::AsyncIoContext& io, kj::Function<bool()> condition);

// A command that does what the test says.
struct FakeProcess {
  WorkspaceCommand command;
  OutputReceiver* output = nullptr;
  kj::Own<kj::PromiseFulfiller<ExitStatus>> ending;
  kj::Vector<int> signals;
  kj::String stdinText;
  bool stdinClosed = false;
  bool dropped = false;
};

class FakeWorkspace final : public Workspace {
 public:
  kj::String rootPath = kj::str("/workspace");
  kj::Vector<kj::Own<FakeProcess>> processes;
  kj::HashMap<kj::String, kj::Array<kj::byte>> files;
  kj::Maybe<kj::Exception> startFailure;
  unsigned writesBegun = 0;
  unsigned writesDropped = 0;
  kj::Maybe<kj::Exception> writeFailure;  // of each write, before it has read anything
  bool holdWrites = false;

  kj::StringPtr root() override { return rootPath; }
  kj::Promise<kj::Own<WorkspaceProcess>> start(WorkspaceCommand command, OutputReceiver& output) override;
  // By the real sh, on this machine.
  kj::Promise<Captured> runScript(kj::StringPtr script, kj::Array<kj::String> args, size_t limit) override;
  kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::StringPtr path) override;
  kj::Promise<void> writeFile(kj::StringPtr path, kj::Own<kj::AsyncInputStream> content,
                              uint64_t size) override;
  kj::Promise<kj::Maybe<FileState>> replaceFile(kj::StringPtr, kj::Maybe<kj::ArrayPtr<const kj::byte>>,
                                                kj::ArrayPtr<const kj::byte>) override {
    KJ_UNIMPLEMENTED("only tools replace files");
  }
};

// Tools: "echo" answers its arguments; others answer what the test put into `handler`.
class FakeToolbox final : public Toolbox {
 public:
  using Handler = kj::Function<kj::Promise<ToolResult>(kj::StringPtr, kj::StringPtr, ToolUi&)>;
  FakeToolbox(Handler& handler, unsigned& rests): handler(handler), rests(rests) {}
  kj::Array<kj::StringPtr> names() override { return kj::heapArray<kj::StringPtr>({"bash"_kj, "read"_kj}); }
  kj::Promise<ToolResult> call(kj::StringPtr name, kj::StringPtr arguments, ToolUi& ui) override {
    return handler(name, arguments, ui);
  }
  void forgetFiles() override {}
  kj::Promise<void> rest() override {
    ++rests;
    return kj::READY_NOW;
  }

 private:
  Handler& handler;
  unsigned& rests;
};

class FakeSession final : public Session {
 public:
  explicit FakeSession(kj::StringPtr id): id(kj::str(id)) {}

  kj::String id;
  FakeWorkspace files;
  kj::String status = kj::str("none");
  kj::Maybe<kj::Exception> failure;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> destroying;
  bool holdDestroy = false;
  bool destroyed = false;

  kj::Promise<SessionInfo> prepare() override;
  kj::Promise<SessionInfo> info() override;
  kj::Promise<void> suspend() override;
  kj::Promise<void> destroy() override;
  Workspace& workspace() override { return files; }
};

class FakeSessions final : public Sessions {
 public:
  kj::HashMap<kj::String, kj::Own<FakeSession>> sessions;
  SandboxOptions lastOptions;
  kj::Vector<SessionObserver*> observers;

  kj::Own<Session> get(kj::StringPtr rootSessionId, SandboxOptions options) override;
  kj::Promise<kj::Array<SessionInfo>> list() override;
  void addObserver(SessionObserver& observer) override { observers.add(&observer); }
  void removeObserver(SessionObserver& observer) override;

  FakeSession& session(kj::StringPtr id);
  void emit(kj::StringPtr id, SessionEventKind kind, kj::StringPtr text);
};

constexpr kj::StringPtr TOKEN = "0123456789abcdef0123456789abcdef"_kj;

struct TestBridge {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  FakeSessions sessions;
  FakeToolbox::Handler handler = [](kj::StringPtr name, kj::StringPtr arguments, ToolUi&) {
    ToolResult result;
    result.title = kj::str(name);
    result.output = kj::str(arguments);
    result.metadata = kj::str("{}");
    return kj::Promise<ToolResult>(kj::mv(result));
  };
  unsigned toolboxes = 0;
  unsigned rests = 0;  // of toolboxes
  kj::Own<RpcApi> rpcApi;
  kj::HttpHeaderTable table;
  kj::Own<kj::HttpService> front;
  kj::Own<kj::HttpService> service;
  kj::Own<kj::ConnectionReceiver> port;
  kj::Promise<void> serving = nullptr;

  TestBridge();
  ~TestBridge() noexcept(false);

  kj::String url() { return kj::str("ws://127.0.0.1:", port->getPort(), "/rpc"); }
  kj::Own<RpcClient> connect();
};

// A session of a client.
api::Session::Client openSession(RpcClient& client, kj::StringPtr id, kj::StringPtr root = nullptr);

// A sink in the client: keeps what it gets.
struct Received {
  Received() = default;
  KJ_DISALLOW_COPY(Received);
  ~Received();  // the sink may live longer, in the connection

  kj::Vector<kj::byte> bytes;
  unsigned writes = 0;
  unsigned largest = 0;
  bool done = false;
  bool dropped = false;
  kj::Maybe<kj::Exception> failure;       // of each write
  kj::Maybe<kj::ForkedPromise<void>> gate;  // each write waits for it
  class Sink;
  Sink* sink = nullptr;
};
api::ByteSink::Client newSink(Received& received);

}  // namespace sandbridge::test
