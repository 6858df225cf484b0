#pragma once
// What a tool that has changed files tells of the errors in them, worded as OpenCode words it.

#include "tools/tool.h"

namespace sandbridge {

class Diagnosis {
 public:
  // Does nothing and costs nothing where there are no language servers, or nobody wants them asked.
  Diagnosis(ToolContext& context, ToolUi& ui);

  // `name` is a path as the tool shows it.
  void changed(const std::string& name, TextView text);
  void removed(const std::string& name);

  // Waits for the servers: once, after the last of these.
  kj::Promise<void> ask();

  // The errors of one file: "\n\nLSP errors detected in WHERE:\n<diagnostics ...", or nothing.
  kj::String errorsIn(const std::string& name, std::string_view where);
  // As `write` tells them: those of this file, and of five others.
  kj::String errorsAround(const std::string& name);
  // The member `diagnostics` of the tool's metadata.
  void write(JsonWriter& metadata) const;

 private:
  std::string root;
  kj::Maybe<LanguageServers&> servers;
  std::vector<LanguageServers::ChangedFile> files;
  std::vector<FileDiagnostics> found;
  size_t room;

  kj::String section(const FileDiagnostics& file, std::string_view name, std::string_view where);
};

}  // namespace sandbridge
