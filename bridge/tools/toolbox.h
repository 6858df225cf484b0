#pragma once
// OpenCode's tools, by name, over a Workspace.

#include "tools/file-memory.h"
#include "tools/language-servers.h"
#include "tools/port-links.h"
#include "tools/workspace.h"

namespace sandbridge {

struct ToolResult {
  struct Attachment {
    kj::String mime;
    kj::Array<const kj::byte> data;
    kj::String filename;
  };

  bool failed = false;  // `output` is the error text; title, metadata, attachments are empty
  kj::String title;
  kj::String output;    // valid UTF-8
  kj::String metadata;  // a JSON object in OpenCode's shape
  kj::Array<Attachment> attachments;
};

// The person behind a call.
class ToolUi {
 public:
  struct Question {
    kj::String permission;
    kj::Array<kj::String> patterns;
    kj::Array<kj::String> always;
    kj::String metadata;  // a JSON object
  };

  // Resolves when allowed, rejects when refused; the tool then fails with that exception's text.
  virtual kj::Promise<void> ask(Question question) = 0;
  // What a running command has printed since the last call, at most 64 KiB.
  virtual kj::Promise<void> output(kj::ArrayPtr<const kj::byte> bytes) = 0;

  // Resolves when the person wants the running command to end, else never.
  virtual kj::Promise<void> awaitStop() { return kj::NEVER_DONE; }

  // Which of the session's conversations the call belongs to: what one has been told, another, a
  // sub-agent's, has not.
  virtual kj::StringPtr conversation() { return ""; }
  // Whether language servers are asked about the files that the call changes.
  virtual bool wantsDiagnostics() { return true; }
};

class Toolbox {
 public:
  virtual ~Toolbox() noexcept(false) {}

  virtual kj::Array<kj::StringPtr> names() = 0;

  // Runs one tool. `arguments` is a JSON object as a model wrote it. `ui` must outlive the promise; dropping the promise
  // kills what the tool has started. Rejects only for failures of the infrastructure; all else is in the result.
  virtual kj::Promise<ToolResult> call(kj::StringPtr name, kj::StringPtr arguments, ToolUi& ui) = 0;

  // Somebody else has been at the files: changes are planned on what they are now. Without this, a
  // person might be asked about a change of what was there before, and then once more.
  virtual void forgetFiles() = 0;

  // Ends what the tools keep running between calls; it starts again when it is needed. To be awaited before the sandbox is
  // suspended or deleted. Never rejects.
  virtual kj::Promise<void> rest() = 0;
};

// The tools of one session. Calls may run at the same time; edits of one file take turns. Without `links` there is no
// preview_url, without `servers` nothing is told of errors in changed files.
kj::Own<Toolbox> newToolbox(Workspace& workspace, kj::Timer& timer, FileMemory& memory,
                            kj::Maybe<kj::Own<PortLinks>> links = nullptr,
                            kj::Maybe<kj::Own<LanguageServers>> servers = nullptr);

// A user interface that allows everything and shows nothing.
class SilentUi : public ToolUi {
 public:
  kj::Promise<void> ask(Question question) override { return kj::READY_NOW; }
  kj::Promise<void> output(kj::ArrayPtr<const kj::byte> bytes) override { return kj::READY_NOW; }
};
ToolUi& silentUi();

}  // namespace sandbridge
