#include "lsp/framing.h"

#include "base/error.h"
#include "base/header-line.h"

#include <charconv>
#include <string_view>

namespace sandbridge::lsp {

namespace {

constexpr std::string_view HEADER_END = "\r\n\r\n", LINE_END = "\r\n";

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
    KJ_IF_MAYBE (field, parseHeaderLine(line)) {
      if (!field->is("content-length")) continue;
      auto value = field->value;
      size_t number = 0;
      auto [last, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || last != value.data() + value.size() || found != nullptr) {
        refuse("a message without a length");
      }
      if (number > MAX_MESSAGE) refuse("a message that is too long");
      found = number;
    } else {
      refuse("what is no message");
    }
  }
  KJ_IF_MAYBE (number, found) return *number;
  refuse("a message without a length");
}

kj::String frame(kj::StringPtr json) {
  return kj::str("Content-Length: ", json.size(), "\r\n\r\n", json);
}

}  // namespace sandbridge::lsp
