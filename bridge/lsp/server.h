#pragma once
// One language server in the sandbox: its process, its messages, and what it has said.

#include "lsp/framing.h"
#include "lsp/messages.h"
#include "lsp/server-kind.h"
#include "tools/workspace.h"

#include <kj/timer.h>

#include <map>

namespace sandbridge::lsp {

class Server final : private OutputReceiver {
 public:
  // `onNews` is called when there may be something new for who waits: an answer, or the end.
  Server(Workspace& workspace, kj::Timer& timer, const ServerKind& kind, kj::Function<void()> onNews);
  KJ_DISALLOW_COPY(Server);

  // Starts the server and serves it until it ends. Rejects when it sends nonsense, does not get ready or
  // cannot be reached. To be called once; dropping the promise kills the server.
  kj::Promise<ExitStatus> run();

  // Asks it to end; run() then resolves.
  kj::Promise<void> terminate();

  // Whether it has answered at all.
  bool hasBegun() const { return isReady; }

  // Tells the server what the file holds now. What it has said of the file before is forgotten.
  void change(const std::string& path, kj::StringPtr language, kj::StringPtr text);
  // The file is gone.
  void remove(const std::string& path);

  // When the server spoke last about the file as it is now; nothing: it has not yet.
  kj::Maybe<kj::TimePoint> answered(const std::string& path) const;
  // What it says of all files, the one first of which it spoke first.
  const std::vector<FileDiagnostics>& said() const { return files; }

 private:
  struct Document {
    int64_t version = 0;
    uint64_t use = 0;
    bool isPartial = false;  // more is to come
    kj::Maybe<kj::TimePoint> answered;
  };

  Workspace& workspace;
  kj::Timer& timer;
  const ServerKind& kind;
  kj::Function<void()> onNews;
  kj::String root;

  kj::Maybe<kj::Own<WorkspaceProcess>> process;
  MessageParser parser;
  bool isReady = false;
  std::map<std::string, Document> documents;  // that are open
  uint64_t uses = 0;
  std::vector<FileDiagnostics> files;

  // Messages on their way to the server.
  kj::Vector<kj::byte> outgoing;
  size_t sending = 0;  // bytes that left `outgoing` last and have not arrived
  // Told while the server was getting ready.
  kj::Vector<kj::String> early;
  size_t earlyBytes = 0;
  kj::Own<kj::PromiseFulfiller<void>> wake, ready, failure;
  bool hasFailed = false;

  void send(kj::StringPtr message);
  void tell(kj::String message);
  kj::Promise<void> write(kj::Promise<void> more);
  void take(kj::StringPtr message);
  void note(Published published);
  void forget(const std::string& path);
  void fail(kj::Exception reason);

  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override;
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override { return kj::READY_NOW; }
};

// The exit code that says that the image has no such server.
constexpr unsigned NO_SUCH_SERVER = 127;

}  // namespace sandbridge::lsp
