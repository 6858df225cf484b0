#include "lsp/framing.h"

#include "base/error.h"

#include <charconv>
#include <string_view>

namespace sandbridge::lsp {

namespace {

constexpr std::string_view HEADER_END = "\r\n\r\n", LINE_END = "\r\n";

bool isSameName(std::string_view name, std::string_view lower) {
  if (name.size() != lower.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    if (c != lower[i]) return false;
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

[[noreturn]] void refuse(kj::StringPtr what) {
  throwError(ErrorKind::FAILED, kj::str("the language server sent ", what, "."));
}

}  // namespace

void MessageParser::feed(kj::ArrayPtr<const kj::byte> bytes, kj::Vector<kj::String>& messages) {
  auto rest = bytes.asChars();
  while (rest.size() > 0) {
    KJ_IF_MAYBE (wanted, length) {
      size_t count = kj::min(rest.size(), *wanted - content.size());
      content.addAll(rest.slice(0, count));
      rest = rest.slice(count, rest.size());
    } else {
      header.add(rest[0]);
      rest = rest.slice(1, rest.size());
      if (std::string_view(header.begin(), header.size()).ends_with(HEADER_END)) {
        length = readLength();
        header.clear();
      } else if (header.size() >= MAX_HEADER) {
        refuse("what is no message");
      }
    }
    KJ_IF_MAYBE (wanted, length) {
      if (content.size() < *wanted) continue;
      messages.add(kj::heapString(content.begin(), content.size()));
      content = kj::Vector<char>();  // the memory of a long one is given back
      length = nullptr;
    }
  }
}

size_t MessageParser::readLength() const {
  std::string_view text(header.begin(), header.size() - LINE_END.size());
  kj::Maybe<size_t> found;
  while (!text.empty()) {
    auto end = text.find(LINE_END);
    auto line = text.substr(0, end);
    text.remove_prefix(end + LINE_END.size());
    auto colon = line.find(':');
    if (colon == std::string_view::npos) refuse("what is no message");
    if (!isSameName(trimmed(line.substr(0, colon)), "content-length")) continue;
    auto value = trimmed(line.substr(colon + 1));
    size_t number = 0;
    auto [last, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || last != value.data() + value.size() || found != nullptr) {
      refuse("a message without a length");
    }
    if (number > MAX_MESSAGE) refuse("a message that is too long");
    found = number;
  }
  KJ_IF_MAYBE (number, found) return *number;
  refuse("a message without a length");
}

kj::String frame(kj::StringPtr json) {
  return kj::str("Content-Length: ", json.size(), "\r\n\r\n", json);
}

}  // namespace sandbridge::lsp
