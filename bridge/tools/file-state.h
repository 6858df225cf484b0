#pragma once
// What a sandbox says of a file, and how it is asked.

#include <kj/array.h>
#include <kj/string.h>

#include <string>
#include <string_view>
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
  std::string realPath;  // PLACE_FUNCTION's, also of what does not exist; may be empty
  bool readable = false;
  kj::Maybe<kj::Array<const kj::byte>> content;  // of a readable regular file that is not too big

  bool exists() const { return error == StatError::NONE; }
  bool isDirectory() const { return exists() && (mode & 0170000) == 0040000; }
  bool isRegular() const { return exists() && (mode & 0170000) == 0100000; }
};

// "a named pipe", "a device", ...
kj::StringPtr typeName(uint32_t mode);

// Contents of at most so many bytes come along, unless asked otherwise.
constexpr uint64_t LOOK_INLINE_BYTES = 1u << 20;

// A POSIX shell script that looks at files: $1 how many bytes of content come along at most, $2 a
// boundary, $3 the workspace's root, then their absolute paths. Follows symlinks.
kj::String lookScript();

// What it answers about `count` files. `boundary` must be random, so that no content can hold it.
std::vector<FileState> parseLook(kj::ArrayPtr<const kj::byte> output, kj::StringPtr boundary,
                                 size_t count);

}  // namespace sandbridge
