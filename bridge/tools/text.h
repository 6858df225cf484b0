#pragma once
// Text as JavaScript sees it. OpenCode's limits, cuts and distances count UTF-16 units, so the
// tools work on UTF-16 and convert at their edges.

#include <kj/array.h>
#include <kj/string.h>

#include <string>
#include <string_view>
#include <vector>

namespace sandbridge {

using Text = std::u16string;
using TextView = std::u16string_view;
using Bytes = kj::ArrayPtr<const kj::byte>;

// A decoded file that can be written back: invalid bytes read as U+FFFD, and are remembered.
struct DecodedFile {
  Text text;  // without the byte order mark
  bool bom = false;
  struct Invalid {
    size_t position;  // of its U+FFFD in `text`
    size_t offset;    // in the bytes
    size_t size;
  };
  std::vector<Invalid> invalid;
};

// UTF-8 to UTF-16; each maximal invalid prefix becomes one U+FFFD (WHATWG). Keeps a byte order
// mark.
Text decodeUtf8(Bytes bytes);
Text decodeUtf8(kj::StringPtr text);
DecodedFile decodeFile(Bytes bytes);

// UTF-16 to UTF-8; a lone surrogate becomes U+FFFD. Always valid.
kj::String encodeUtf8(TextView text);
void appendUtf8(std::string& out, TextView text);

// `bytes` with each invalid sequence replaced.
kj::String validUtf8(Bytes bytes);

// One replacement in a text. Spans are in order and do not overlap.
struct Splice {
  size_t start;
  size_t length;
  Text replacement;
};
Text applySplices(TextView text, const std::vector<Splice>& splices);
// The file's new bytes: outside of the splices invalid bytes stay as they were. `bytes` is what
// `file` was decoded from.
kj::Array<const kj::byte> encodeFile(const DecodedFile& file, Bytes bytes,
                                     const std::vector<Splice>& splices, bool bom);

// What JavaScript's \s and trim() take for white space.
bool isSpace(char16_t c);
TextView trim(TextView text);
TextView trimStart(TextView text);
TextView trimEnd(TextView text);

// split("\n"): at least one element.
std::vector<TextView> splitLines(TextView text);
std::vector<std::string_view> splitLines(std::string_view text);

// The bytes of text in UTF-8, a lone surrogate counting three.
size_t utf8Size(TextView text);

// The first `units` units, and the last.
TextView headUnits(TextView text, size_t units);
TextView tailUnits(TextView text, size_t units);

Text replaceAll(TextView text, TextView what, TextView with);
bool startsWith(TextView text, TextView prefix);
bool endsWith(TextView text, TextView suffix);

inline std::string_view view(kj::StringPtr text) {
  return {text.begin(), text.size()};
}
inline kj::String toKj(std::string_view text) {
  return kj::heapString(text.data(), text.size());
}

}  // namespace sandbridge
