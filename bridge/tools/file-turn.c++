#include "tools/file-turn.h"

#include "base/coroutine.h"
#include "tools/place.h"

namespace sandbridge {

kj::Promise<kj::Own<FileTurn>> FileTurn::take(ToolContext& context, std::string path,
                                              uint64_t inlineBytes) {
  auto turn = kj::heap<FileTurn>(context, path, inlineBytes);
  turn->lockedFile = resolvePath(context.root, path);
  turn->nameLock = co_await context.locks.acquire(turn->lockedFile);
  KJ_IF_MAYBE (content, context.files.take(path)) {
    turn->state = rememberedState(kj::mv(*content));
    turn->isRemembered = true;
  } else {
    co_await turn->look();
  }
  co_return kj::mv(turn);
}

kj::Promise<void> FileTurn::look() {
  auto states = co_await lookAt(context, {path}, inlineBytes);
  co_await adopt(kj::mv(states[0]));
}

kj::Promise<kj::Maybe<kj::String>> FileTurn::askPlace(ToolUi& ui) {
  if (!leadsOut(context.root, path, lockedFile) || lockedFile == allowedPlace) {
    co_return kj::Maybe<kj::String>(nullptr);
  }
  auto place = lockedFile;
  auto refusal = co_await askExternal(context, ui, path, false, place);
  if (refusal == nullptr) allowedPlace = std::move(place);
  co_return kj::mv(refusal);
}

kj::Promise<kj::Maybe<kj::String>> FileTurn::ask(ToolUi& ui, Text diff) {
  KJ_IF_MAYBE (same, allowed) {
    if (*same == diff) co_return kj::Maybe<kj::String>(nullptr);
  }
  auto refusal = co_await sandbridge::ask(ui, editQuestion(context, path, diff));
  if (refusal == nullptr) allowed = kj::mv(diff);
  co_return kj::mv(refusal);
}

kj::Promise<bool> FileTurn::replace(kj::Maybe<Bytes> before, kj::Array<const kj::byte> after) {
  auto present = co_await context.workspace.replaceFile(toKj(path), before, after);
  KJ_IF_MAYBE (changed, present) {
    co_await adopt(kj::mv(*changed));
    co_return false;
  }
  // Of what is remembered nobody asks where it is.
  if (!leadsOut(context.root, path, lockedFile)) context.files.keep(path, kj::mv(after));
  co_return true;
}

kj::Promise<void> FileTurn::adopt(FileState present) {
  state = kj::mv(present);
  isRemembered = false;
  if (state.realPath.empty() || state.realPath == lockedFile) co_return;
  // Never two of these at once: who waits here would hold what others wait for.
  fileLock = nullptr;
  lockedFile = state.realPath;
  fileLock = co_await context.locks.acquire(lockedFile);
}

FileState rememberedState(kj::Array<const kj::byte> content) {
  FileState state;
  state.mode = 0100644;
  state.size = content.size();
  state.readable = true;
  state.content = kj::mv(content);
  return state;
}

Refusal keepsChanging(std::string_view path) {
  return Refusal{kj::str("Something else keeps changing the file ", validUtf8(chars(path).asBytes()),
                         ". It was left as it is.")};
}

}  // namespace sandbridge
