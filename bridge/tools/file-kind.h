#pragma once
// What a file is, told by its first bytes and its name.

#include "tools/text.h"

namespace sandbridge {

// How many bytes from the start decide.
constexpr size_t SAMPLE_BYTES = 4096;

// "image/png", "application/pdf", ..., if a file is to be shown as an attachment; else "".
kj::StringPtr attachmentMime(std::string_view path, Bytes sample);

// Whether a file by this name is never shown as text, whatever is in it.
bool hasBinaryName(std::string_view path);
bool isBinary(std::string_view path, Bytes sample);

}  // namespace sandbridge
