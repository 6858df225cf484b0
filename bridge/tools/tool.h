#pragma once
// What the tools share: the place they work in, how they ask, how they answer.

#include "base/error.h"
#include "base/json.h"
#include "tools/arguments.h"
#include "tools/file-memory.h"
#include "tools/language-servers.h"
#include "tools/limits.h"
#include "tools/path-locks.h"
#include "tools/paths.h"
#include "tools/port-links.h"
#include "tools/text.h"
#include "tools/toolbox.h"
#include "tools/workspace.h"

#include <kj/debug.h>
#include <kj/vector.h>

#include <map>
#include <set>
#include <string>

namespace sandbridge {

// One session's; outlives its calls.
struct ToolContext {
  Workspace& workspace;
  kj::Timer& timer;
  std::string root;
  PathLocks locks;
  FileMemory::Part files;
  // Instruction files that a read has already shown, by conversation.
  std::map<std::string, std::set<std::string>> instructionsGiven;
  // None where ports cannot be reached; then there is no preview_url.
  kj::Maybe<kj::Own<PortLinks>> links;
  // None where nobody wants files checked.
  kj::Maybe<kj::Own<LanguageServers>> servers;

  ToolContext(Workspace& workspace, kj::Timer& timer, FileMemory& memory,
              kj::Maybe<kj::Own<PortLinks>> links, kj::Maybe<kj::Own<LanguageServers>> servers)
      : workspace(workspace),
        timer(timer),
        root(view(workspace.root())),
        files(memory),
        links(kj::mv(links)),
        servers(kj::mv(servers)) {}
};

// Each runs one call. They throw infrastructure errors, and errors of base/error.h that become the
// answer.
kj::Promise<ToolResult> runBash(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runRead(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runWrite(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runEdit(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runApplyPatch(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runGlob(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runGrep(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runPreviewUrl(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runMultiEdit(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runList(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runProcess(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runWebfetch(ToolContext& context, Arguments arguments, ToolUi& ui);
kj::Promise<ToolResult> runWebsearch(ToolContext& context, Arguments arguments, ToolUi& ui);

// A failed result: `text` is what the model gets.
ToolResult failedResult(kj::String text);

// Runs a script that only looks. Throws FAILED after SCRIPT_SECONDS.
kj::Promise<Workspace::Captured> look(ToolContext& context, kj::StringPtr script,
                                      kj::Array<kj::String> args, size_t limit = 8u << 20);

// An error of the sandbox's file system as OpenCode words it: "NotFound: FileSystem.stat
// (/workspace/x)".
kj::String fileSystemError(kj::StringPtr tag, kj::StringPtr method, std::string_view path);

// What a failed writeFile() means, in these words. Rethrows infrastructure errors.
kj::String writeError(const kj::Exception& e, std::string_view path);

// Whether an exception is of the infrastructure: then a call rejects, and there is no result.
bool isInfrastructure(const kj::Exception& e);

}  // namespace sandbridge
