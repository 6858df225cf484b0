#pragma once
// Lines "Name: value", as HTTP and the Language Server Protocol have them.

#include <kj/common.h>

#include <algorithm>
#include <string_view>

namespace sandbridge {

// Without the blanks and line ends around it.
inline std::string_view trimBlanks(std::string_view text) {
  constexpr std::string_view BLANKS = " \t\r\n";
  auto first = text.find_first_not_of(BLANKS);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(BLANKS) - first + 1);
}

struct HeaderLine {
  std::string_view name, value;  // without blanks around them; they last as long as the line

  // Names of headers do not differ by ASCII case.
  bool is(std::string_view lowerCaseName) const {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; };
    return std::equal(name.begin(), name.end(), lowerCaseName.begin(), lowerCaseName.end(),
                      [&](char one, char other) { return lower(one) == other; });
  }
};

// None where the line has no colon.
inline kj::Maybe<HeaderLine> parseHeaderLine(std::string_view line) {
  auto colon = line.find(':');
  if (colon == std::string_view::npos) return nullptr;
  return HeaderLine{trimBlanks(line.substr(0, colon)), trimBlanks(line.substr(colon + 1))};
}

}  // namespace sandbridge
