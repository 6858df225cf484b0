#pragma once
// The questions that tools put to the person behind a call, in OpenCode's words.

#include "tools/tool.h"

namespace sandbridge {

// Asks. Returns the text of the refusal, if it was refused.
kj::Promise<kj::Maybe<kj::String>> ask(ToolUi& ui, ToolUi::Question question);

// Throws Refusal if there is a text.
void passOrRefuse(kj::Maybe<kj::String> refusal);

// Asks whether a path outside of the workspace may be touched; nothing for one inside, unless it leads out to `place`. Returns a
// refusal's text.
kj::Promise<kj::Maybe<kj::String>> askExternal(ToolContext& context, ToolUi& ui, std::string path,
                                               bool isDirectory, std::string place = "");

// One that "always" answers for everything.
ToolUi::Question question(kj::StringPtr permission, std::string_view pattern, kj::String metadata);

// The question of whatever changes a file: {filepath, diff}.
ToolUi::Question editQuestion(ToolContext& context, std::string_view path, TextView diff);

// A path as titles and permission patterns show it.
std::string shownPath(ToolContext& context, std::string_view path);

inline kj::ArrayPtr<const char> chars(std::string_view text) {
  return kj::arrayPtr(text.data(), text.size());
}

}  // namespace sandbridge
