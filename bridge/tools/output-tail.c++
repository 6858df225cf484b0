#include "tools/output-tail.h"

#include "tools/limits.h"

#include <algorithm>

namespace sandbridge {

namespace {

// More than any answer or preview shows (30000 UTF-16 units take at most 90000 bytes).
constexpr size_t KEEP = 131072;

}  // namespace

void OutputTail::append(Bytes bytes) {
  size += bytes.size();
  kept.append(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  // Cut rarely, so that many small chunks do not move the rest each time.
  if (kept.size() > 2 * KEEP) kept.erase(0, kept.size() - KEEP);
}

bool OutputTail::removeSuffix(std::string_view suffix) {
  if (!kept.ends_with(suffix)) return false;
  kept.resize(kept.size() - suffix.size());
  size -= suffix.size();
  return true;
}

Text OutputTail::text() const {
  auto all = bytes();
  size_t start = 0;
  if (!isWhole()) {
    while (start < all.size() && start < 3 && (all[start] & 0xc0) == 0x80) ++start;
  }
  auto text = decodeUtf8(all.slice(start, all.size()));
  if (isWhole() && startsWith(text, u"\ufeff")) text.erase(0, 1);
  return text;
}

Text tailWithin(TextView text, size_t maxLines, size_t maxBytes) {
  auto lines = splitLines(text);
  size_t bytes = 0, taken = 0;
  for (; taken < lines.size() && taken < maxLines; ++taken) {
    size_t size = utf8Size(lines[lines.size() - 1 - taken]) + (taken > 0);
    if (bytes + size > maxBytes) break;
    bytes += size;
  }
  if (taken > 0) {
    auto& first = lines[lines.size() - taken];
    return Text(text.substr(first.data() - text.data()));
  }
  // Not even the last line fits: its end.
  auto last = lines.back();
  size_t start = last.size();
  while (start > 0) {
    size_t step =
        start > 1 && (last[start - 1] & 0xfc00) == 0xdc00 && (last[start - 2] & 0xfc00) == 0xd800
            ? 2
            : 1;
    size_t size = utf8Size(last.substr(start - step, step));
    if (bytes + size > maxBytes) break;
    bytes += size;
    start -= step;
  }
  return Text(last.substr(start));
}

}  // namespace sandbridge
