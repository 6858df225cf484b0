#pragma once
// A Workspace over a temporary directory of this machine, with real processes. Its root is
// <temporary>/workspace, so that there is an outside too.

#include "tools/toolbox.h"
#include "tools/workspace.h"

#include <kj/async-io.h>
#include <kj/async-unix.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sandbridge::test {

class DirectoryWorkspace final : public Workspace {
 public:
  explicit DirectoryWorkspace(kj::AsyncIoContext& io);
  ~DirectoryWorkspace() noexcept(false);

  std::string top;       // the temporary directory
  std::string rootPath;  // top + "/workspace"
  size_t roundTrips = 0;
  std::string searchPath;               // PATH of what it starts; empty: this process' own
  std::set<std::string> failingWrites;  // names below the root whose writes fail
  bool startHangs = false;  // nothing starts any more, and nothing says so
  // Somebody else, who comes just before a file is replaced.
  std::function<void(const std::string& path)> intruder;

  // Below the root, or absolute.
  std::string resolve(std::string_view path) const;
  void put(std::string_view path, std::string_view content);
  kj::Maybe<std::string> get(std::string_view path) const;
  // Removes everything but the root and its .git.
  void clear();

  kj::StringPtr root() override { return rootText; }
  kj::Promise<kj::Own<WorkspaceProcess>> start(WorkspaceCommand command,
                                               OutputReceiver& output) override;
  kj::Promise<Captured> runScript(kj::StringPtr script, kj::Array<kj::String> args,
                                  size_t limit) override;
  kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::StringPtr path) override;
  kj::Promise<void> writeFile(kj::StringPtr path, kj::Own<kj::AsyncInputStream> content,
                              uint64_t size) override;
  using Workspace::writeFile;
  kj::Promise<kj::Maybe<FileState>> replaceFile(kj::StringPtr path,
                                                kj::Maybe<kj::ArrayPtr<const kj::byte>> before,
                                                kj::ArrayPtr<const kj::byte> after) override;

 private:
  kj::AsyncIoContext& io;
  kj::String rootText;

  void writeWhole(std::string full, kj::ArrayPtr<const kj::byte> bytes);
};

// Sets up an event loop that can wait for processes. One at a time in a thread.
struct TestLoop {
  TestLoop();
  kj::AsyncIoContext io;
};

// Allows everything, or refuses with a text, and remembers what it was asked and shown.
class RecordingUi final : public ToolUi {
 public:
  struct Asked {
    std::string permission;
    std::vector<std::string> patterns, always;
    std::string metadata;
  };
  std::vector<Asked> asked;
  std::string refusal;  // empty: allow
  std::string shown;
  size_t outputs = 0;
  bool outputHangs = false;
  // The person ends the command once this has been shown. Unset: lets it run.
  kj::Maybe<std::string> stopAt;

  kj::Promise<void> ask(Question question) override;
  kj::Promise<void> output(kj::ArrayPtr<const kj::byte> bytes) override;
  kj::Promise<void> awaitStop() override;

 private:
  kj::PromiseFulfillerPair<void> stop = kj::newPromiseAndFulfiller<void>();

  void stopIfShown();
};

// A workspace, a toolbox over it, and a person.
struct Bench {
  TestLoop loop;
  DirectoryWorkspace workspace;
  FileMemory memory;
  RecordingUi ui;
  kj::Own<Toolbox> toolbox;

  Bench();
  ToolResult call(kj::StringPtr tool, kj::StringPtr arguments);
};

}  // namespace sandbridge::test
