#include "tools/pager.h"

#include "tools/limits.h"

#include <cstring>

namespace sandbridge {

namespace {

// Enough bytes for READ_LINE_CHARS units: no unit takes more than three.
constexpr size_t LINE_BYTES = 3 * READ_LINE_CHARS + 100;
constexpr TextView CUT = u"... (line truncated to 2000 chars)";

}  // namespace

Pager::Pager(uint64_t first, uint64_t limit, size_t bytes, uint64_t streamStart)
    : limit(limit), room(bytes), number(streamStart), atStart(streamStart == 1) {
  page.first = first;
}

void Pager::feed(Bytes bytes) {
  for (auto at = bytes.begin(); at < bytes.end() && !page.capped;) {
    if (afterCr) {
      afterCr = false;
      if (*at == '\n') {
        ++at;
        continue;
      }
    }
    auto end = at;
    while (end < bytes.end() && *end != '\n' && *end != '\r') ++end;
    if (end > at || end < bytes.end()) lineBegun = true;
    if (number >= page.first && line.size() < LINE_BYTES) {
      line.append(reinterpret_cast<const char*>(at),
                  std::min<size_t>(end - at, LINE_BYTES - line.size()));
    }
    if (end < bytes.end()) {
      afterCr = *end == '\r';
      endLine();
      ++end;
    }
    at = end;
  }
}

void Pager::endLine() {
  lineBegun = false;
  page.total = number++;
  bool wanted = page.total >= page.first;
  if (wanted && page.lines.size() >= limit) {
    page.more = true;
  } else if (wanted) {
    std::string_view bytes = line;
    if (atStart && page.total == 1 && bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
    auto text = decodeUtf8(kj::arrayPtr(bytes.data(), bytes.size()).asBytes());
    if (text.size() > READ_LINE_CHARS) {
      text.resize(READ_LINE_CHARS);
      text.append(CUT);
    }
    size_t size = utf8Size(text) + (page.lines.empty() ? 0 : 1);
    if (size > room) {
      page.capped = page.more = true;
    } else {
      room -= size;
      page.lines.push_back(std::move(text));
    }
  }
  line.clear();
}

Page Pager::finish() {
  if (lineBegun && !page.capped) {
    // A file that holds only a byte order mark has no line.
    if (!(atStart && number == 1 && line == "\xef\xbb\xbf" && page.first == 1)) endLine();
  }
  return std::move(page);
}

}  // namespace sandbridge
