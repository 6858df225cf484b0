#include "tools/search.h"

namespace sandbridge {

// GNU's stat, sort and head keep names with newlines apart; busybox' do not, and there such names
// are not found.
const kj::StringPtr SEARCH_FUNCTIONS = R"sh(
export LC_ALL=C
newest() {
  if stat --printf='' . 2>/dev/null; then
    xargs -0 -r stat --printf='%.9Y %n\0' -- 2>/dev/null | sort -z -k1,1nr -k2 | head -z -n 101 |
      sed -z 's/^[^ ]* //'
  else
    xargs -0 -r stat -c '%Y %n' -- 2>/dev/null | sort -k1,1nr -k2 | head -n 101 |
      sed 's/^[^ ]* //' | tr '\n' '\0'
  fi
}
with_rg() { command -v rg >/dev/null 2>&1; }
)sh"_kj;

std::vector<std::string_view> splitNul(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    size_t end = text.find('\0');
    if (end == std::string_view::npos) return parts;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

std::string takePlace(std::string_view& output) {
  size_t end = output.find('\0');
  if (!output.starts_with('/') || end == std::string_view::npos) return "";
  std::string place(output.substr(0, end));
  output.remove_prefix(end + 1);
  return place;
}

std::string found(std::string_view dir, std::string_view name) {
  if (name.starts_with("./")) name.remove_prefix(2);
  return joinPath(dir, name);
}

}  // namespace sandbridge
