#include "tools/questions.h"

#include "base/coroutine.h"
#include "tools/place.h"

namespace sandbridge {

kj::Promise<kj::Maybe<kj::String>> ask(ToolUi& ui, ToolUi::Question question) {
  try {
    co_await ui.ask(kj::mv(question));
  } catch (kj::Exception& e) {
    co_return textOf(e);
  }
  co_return nullptr;
}

void passOrRefuse(kj::Maybe<kj::String> refusal) {
  KJ_IF_MAYBE (text, refusal) {
    throw Refusal{kj::mv(*text)};
  }
}

kj::Promise<kj::Maybe<kj::String>> askExternal(ToolContext& context, ToolUi& ui, std::string path,
                                               bool isDirectory, std::string place) {
  // Names in the sandbox are any bytes; questions are text.
  if (leadsOut(context.root, path, place)) path = view(validUtf8(chars(place).asBytes()));
  if (isInside(context.root, path)) return kj::Maybe<kj::String>(nullptr);
  auto dir = isDirectory ? path : dirName(path);
  auto pattern = normalizePath(joinPath(dir, "*"));
  JsonWriter metadata;
  metadata.beginObject().field("filepath", chars(path)).field("parentDir", chars(dir)).endObject();
  return ask(ui, {kj::str("external_directory"), kj::arr(toKj(pattern)), kj::arr(toKj(pattern)),
                  metadata.finish()});
}

ToolUi::Question question(kj::StringPtr permission, std::string_view pattern, kj::String metadata) {
  return {kj::str(permission), kj::arr(toKj(pattern)), kj::arr(kj::str("*")), kj::mv(metadata)};
}

ToolUi::Question editQuestion(ToolContext& context, std::string_view path, TextView diff) {
  JsonWriter metadata;
  metadata.beginObject().field("filepath", chars(path)).field("diff", encodeUtf8(diff)).endObject();
  return question("edit", shownPath(context, path), metadata.finish());
}

std::string shownPath(ToolContext& context, std::string_view path) {
  return relativePath(context.root, path);
}

}  // namespace sandbridge
