#pragma once
// A tool's turn at one file: other tools of the session wait for it, and what anybody else does to
// the file meanwhile is noticed, never overwritten.

#include "tools/look.h"

namespace sandbridge {

// How often a plan is made anew because the file has changed under it.
constexpr unsigned MOST_PLANS = 8;

class FileTurn {
 public:
  // Waits for those before. Looks at the file, unless its content is remembered.
  static kj::Promise<kj::Own<FileTurn>> take(ToolContext& context, std::string path,
                                             uint64_t inlineBytes = LOOK_INLINE_BYTES);

  // As the file is, or was when it was seen last.
  FileState state;
  // Only the latter, and of `state` only what matters of a file whose content is known.
  bool isRemembered = false;

  kj::Promise<void> look();

  // Asks for a place outside of the workspace to which a name in it leads, unless that is allowed already. Returns a refusal's text.
  kj::Promise<kj::Maybe<kj::String>> askPlace(ToolUi& ui);

  // Asks whether the file may be changed so, unless this very diff has been allowed before. Returns
  // a refusal's text.
  kj::Promise<kj::Maybe<kj::String>> ask(ToolUi& ui, Text diff);

  // Replaces the content `before`, or with null makes the file. False: it has changed; `state` says
  // to what. Throws like Workspace::writeFile(). `before` must outlive the promise.
  kj::Promise<bool> replace(kj::Maybe<Bytes> before, kj::Array<const kj::byte> after);

  FileTurn(ToolContext& context, std::string path, uint64_t inlineBytes)
      : context(context), path(std::move(path)), inlineBytes(inlineBytes) {}
  KJ_DISALLOW_COPY(FileTurn);

 private:
  ToolContext& context;
  std::string path;
  uint64_t inlineBytes;
  kj::Maybe<Text> allowed;
  std::string allowedPlace;
  // Which file it is shows only after a look, so the turn is taken on the name first, and then,
  // where the name is a link, on the file itself.
  kj::Own<PathLocks::Lock> nameLock;
  std::string lockedFile;
  kj::Maybe<kj::Own<PathLocks::Lock>> fileLock;

  kj::Promise<void> adopt(FileState present);
};

// What is known of a file of which only the content is remembered.
FileState rememberedState(kj::Array<const kj::byte> content);

// For who has made MOST_PLANS plans.
Refusal keepsChanging(std::string_view path);

}  // namespace sandbridge
