#pragma once
// What is known of files before a tool changes them, for any number of them in one round trip.

#include "tools/questions.h"

#include <vector>

namespace sandbridge {

enum class StatError { NONE, MISSING, NOT_A_DIRECTORY, LOOP, DENIED, NAME_TOO_LONG, OTHER };

// What stat(1) or mkdir(1) printed, read for its reason.
StatError statErrorOf(std::string_view message);
// OpenCode's tag for it: "NotFound", "BadResource", ...
kj::StringPtr tagOf(StatError error);

struct FileState {
  FileState() = default;
  FileState(FileState&&) = default;
  FileState& operator=(FileState&&) = default;

  StatError error = StatError::NONE;
  uint32_t mode = 0;  // with the type's bits
  uint64_t size = 0;
  std::string realPath;
  bool readable = false;
  kj::Maybe<kj::Array<const kj::byte>> content;  // of a readable regular file that is not too big

  bool exists() const { return error == StatError::NONE; }
  bool isDirectory() const { return exists() && (mode & 0170000) == 0040000; }
  bool isRegular() const { return exists() && (mode & 0170000) == 0100000; }
};

// "a named pipe", "a device", ...
kj::StringPtr typeName(uint32_t mode);

// Follows symlinks. Contents of at most `inlineBytes` come along.
kj::Promise<std::vector<FileState>> lookAt(ToolContext& context, std::vector<std::string> paths,
                                           uint64_t inlineBytes = 1u << 20);

// The whole content, from `state` or by reading on. Throws an error if it is no readable regular
// file, or larger than `limit`; `verb` says for what ("edit").
kj::Promise<kj::Array<const kj::byte>> contentOf(ToolContext& context, std::string path,
                                                 FileState state, uint64_t limit,
                                                 kj::StringPtr verb);

// All of a stream, at most `limit` bytes; null if it has more.
kj::Promise<kj::Maybe<kj::Array<kj::byte>>> readAtMost(kj::AsyncInputStream& input, uint64_t limit);

}  // namespace sandbridge
