#pragma once
// What is known of files before a tool changes them, for any number of them in one round trip.

#include "tools/file-state.h"
#include "tools/questions.h"

namespace sandbridge {

// Follows symlinks. Contents of at most `inlineBytes` come along.
kj::Promise<std::vector<FileState>> lookAt(ToolContext& context, std::vector<std::string> paths,
                                           uint64_t inlineBytes = LOOK_INLINE_BYTES);

// The whole content, from `state` or by reading on. Throws an error if it is no readable regular
// file, or larger than `limit`; `verb` says for what ("edit").
kj::Promise<kj::Array<const kj::byte>> contentOf(ToolContext& context, std::string path,
                                                 FileState state, uint64_t limit,
                                                 kj::StringPtr verb);

// All of a stream, at most `limit` bytes; null if it has more.
kj::Promise<kj::Maybe<kj::Array<kj::byte>>> readAtMost(kj::AsyncInputStream& input, uint64_t limit);

}  // namespace sandbridge
