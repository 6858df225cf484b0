#include "tools/text.h"

#include <cstring>

namespace sandbridge {

namespace {

constexpr char16_t REPLACEMENT = 0xfffd;
constexpr char16_t BYTE_ORDER_MARK = 0xfeff;

bool isHigh(char16_t c) {
  return (c & 0xfc00) == 0xd800;
}
bool isLow(char16_t c) {
  return (c & 0xfc00) == 0xdc00;
}

void appendCodePoint(Text& out, uint32_t c) {
  if (c < 0x10000) {
    out.push_back(static_cast<char16_t>(c));
  } else {
    out.push_back(static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10)));
    out.push_back(static_cast<char16_t>(0xdc00 + ((c - 0x10000) & 0x3ff)));
  }
}

void appendCodePoint(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

// Decodes one sequence at `i`; returns its size. `valid` tells whether `codePoint` means something.
size_t decodeOne(Bytes bytes, size_t i, uint32_t& codePoint, bool& valid) {
  kj::byte lead = bytes[i];
  valid = true;
  if (lead < 0x80) {
    codePoint = lead;
    return 1;
  }
  size_t needed;
  kj::byte lower = 0x80, upper = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    needed = 1;
    codePoint = lead & 0x1f;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    needed = 2;
    codePoint = lead & 0x0f;
    if (lead == 0xe0) lower = 0xa0;
    if (lead == 0xed) upper = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    needed = 3;
    codePoint = lead & 0x07;
    if (lead == 0xf0) lower = 0x90;
    if (lead == 0xf4) upper = 0x8f;
  } else {
    valid = false;
    return 1;
  }
  for (size_t k = 1; k <= needed; ++k) {
    if (i + k >= bytes.size() || bytes[i + k] < lower || bytes[i + k] > upper) {
      valid = false;
      return k;
    }
    codePoint = (codePoint << 6) | (bytes[i + k] & 0x3f);
    lower = 0x80;
    upper = 0xbf;
  }
  return needed + 1;
}

// Calls `unit(codePoint, size)` for each character, lone surrogates as U+FFFD.
template <typename Func>
void forEachCodePoint(TextView text, Func&& unit) {
  for (size_t i = 0; i < text.size(); ++i) {
    char16_t c = text[i];
    if (isHigh(c) && i + 1 < text.size() && isLow(text[i + 1])) {
      unit(0x10000 + ((uint32_t(c) & 0x3ff) << 10) + (text[i + 1] & 0x3ff), i);
      ++i;
    } else if (isHigh(c) || isLow(c)) {
      unit(uint32_t(REPLACEMENT), i);
    } else {
      unit(uint32_t(c), i);
    }
  }
}

template <typename View>
std::vector<View> splitAtNewlines(View text) {
  std::vector<View> lines;
  size_t start = 0;
  for (;;) {
    size_t end = text.find('\n', start);
    if (end == View::npos) {
      lines.push_back(text.substr(start));
      return lines;
    }
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
}

}  // namespace

Text decodeUtf8(Bytes bytes) {
  Text out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    uint32_t c;
    bool valid;
    i += decodeOne(bytes, i, c, valid);
    if (valid) {
      appendCodePoint(out, c);
    } else {
      out.push_back(REPLACEMENT);
    }
  }
  return out;
}

Text decodeUtf8(kj::StringPtr text) {
  return decodeUtf8(text.asBytes());
}

DecodedFile decodeFile(Bytes bytes) {
  DecodedFile file;
  size_t i = 0;
  if (bytes.size() >= 3 && memcmp(bytes.begin(), "\xef\xbb\xbf", 3) == 0) {
    file.bom = true;
    i = 3;
  }
  file.text.reserve(bytes.size());
  while (i < bytes.size()) {
    uint32_t c;
    bool valid;
    size_t size = decodeOne(bytes, i, c, valid);
    if (valid) {
      appendCodePoint(file.text, c);
    } else {
      file.invalid.push_back({file.text.size(), i, size});
      file.text.push_back(REPLACEMENT);
    }
    i += size;
  }
  return file;
}

void appendUtf8(std::string& out, TextView text) {
  forEachCodePoint(text, [&](uint32_t c, size_t) { appendCodePoint(out, c); });
}

kj::String encodeUtf8(TextView text) {
  std::string out;
  out.reserve(text.size());
  appendUtf8(out, text);
  return toKj(out);
}

kj::String validUtf8(Bytes bytes) {
  return encodeUtf8(decodeUtf8(bytes));
}

Text applySplices(TextView text, const std::vector<Splice>& splices) {
  Text out;
  size_t at = 0;
  for (auto& splice : splices) {
    out.append(text.substr(at, splice.start - at));
    out.append(splice.replacement);
    at = splice.start + splice.length;
  }
  out.append(text.substr(at));
  return out;
}

kj::Array<const kj::byte> encodeFile(const DecodedFile& file, Bytes bytes,
                                     const std::vector<Splice>& splices, bool bom) {
  std::string out;
  out.reserve(bytes.size());
  if (bom) out.append("\xef\xbb\xbf");
  size_t nextInvalid = 0;
  auto keep = [&](size_t from, size_t to) {
    while (nextInvalid < file.invalid.size() && file.invalid[nextInvalid].position < from) {
      ++nextInvalid;
    }
    while (nextInvalid < file.invalid.size() && file.invalid[nextInvalid].position < to) {
      auto& invalid = file.invalid[nextInvalid++];
      appendUtf8(out, TextView(file.text).substr(from, invalid.position - from));
      out.append(reinterpret_cast<const char*>(bytes.begin()) + invalid.offset, invalid.size);
      from = invalid.position + 1;
    }
    appendUtf8(out, TextView(file.text).substr(from, to - from));
  };
  size_t at = 0;
  for (auto& splice : splices) {
    keep(at, splice.start);
    appendUtf8(out, splice.replacement);
    at = splice.start + splice.length;
  }
  keep(at, file.text.size());
  return kj::heapArray<const kj::byte>(reinterpret_cast<const kj::byte*>(out.data()), out.size());
}

bool isSpace(char16_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000 || c == BYTE_ORDER_MARK;
}

TextView trimStart(TextView text) {
  size_t i = 0;
  while (i < text.size() && isSpace(text[i])) ++i;
  return text.substr(i);
}

TextView trimEnd(TextView text) {
  size_t n = text.size();
  while (n > 0 && isSpace(text[n - 1])) --n;
  return text.substr(0, n);
}

TextView trim(TextView text) {
  return trimStart(trimEnd(text));
}

std::vector<TextView> splitLines(TextView text) {
  return splitAtNewlines(text);
}
std::vector<std::string_view> splitLines(std::string_view text) {
  return splitAtNewlines(text);
}

size_t utf8Size(TextView text) {
  size_t size = 0;
  forEachCodePoint(text, [&](uint32_t c, size_t) {
    size += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  });
  return size;
}

TextView headUnits(TextView text, size_t units) {
  return text.substr(0, units);
}
TextView tailUnits(TextView text, size_t units) {
  return text.size() <= units ? text : text.substr(text.size() - units);
}

Text replaceAll(TextView text, TextView what, TextView with) {
  Text out;
  size_t at = 0;
  for (;;) {
    size_t hit = text.find(what, at);
    if (hit == TextView::npos) break;
    out.append(text.substr(at, hit - at));
    out.append(with);
    at = hit + what.size();
  }
  out.append(text.substr(at));
  return out;
}

bool startsWith(TextView text, TextView prefix) {
  return text.substr(0, prefix.size()) == prefix;
}
bool endsWith(TextView text, TextView suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

}  // namespace sandbridge
