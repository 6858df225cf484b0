#include "tools/file-state.h"

#include "base/error.h"
#include "tools/place.h"
#include "tools/text.h"

#include <kj/debug.h>

#include <cstdio>

namespace sandbridge {

namespace {

// For each path: "E<message>\0<real path>", or "S<mode hex> <size> <kind>\n<real path>\0" and, for kind C, the
// content. Then "\n", the boundary and "\n". The boundary is random, so that no content can hold
// it.
constexpr kj::StringPtr SCRIPT = R"sh(
export LC_ALL=C
limit=$1 boundary=$2 root=$3
shift 3
for path do
  place "$path"
  if out=$(stat -L -c '%f %s' -- "$path" 2>&1); then
    kind=N
    if [ -f "$path" ]; then
      if [ ! -r "$path" ]; then kind=U
      elif [ "${out#* }" -gt "$limit" ]; then kind=T
      else kind=C
      fi
    fi
    printf 'S%s %s\n%s\0' "$out" "$kind" "$place"
    [ $kind != C ] || head -c "$limit" -- "$path"
  else
    printf 'E%s\0%s' "$out" "$place"
  fi
  printf '\n%s\n' "$boundary"
done
)sh"_kj;

FileState parseState(std::string_view text) {
  FileState state;
  size_t end = text.find('\0');
  KJ_REQUIRE(!text.empty() && end != std::string_view::npos, "the sandbox's answer is malformed");
  auto head = text.substr(1, end - 1);
  if (text[0] == 'E') {
    state.error = statErrorOf(head);
    state.realPath = text.substr(end + 1);
    return state;
  }
  char kind;
  unsigned long long size;
  std::string line(head.substr(0, head.find('\n')));
  KJ_REQUIRE(sscanf(line.c_str(), "%x %llu %c", &state.mode, &size, &kind) == 3,
             "the sandbox's answer is malformed");
  state.size = size;
  state.realPath = head.substr(std::min(head.size(), line.size() + 1));
  state.readable = kind != 'U';
  if (kind == 'C') {
    auto content = text.substr(end + 1);
    state.content = kj::heapArray<const kj::byte>(reinterpret_cast<const kj::byte*>(content.data()),
                                                  content.size());
  }
  return state;
}

}  // namespace

StatError statErrorOf(std::string_view message) {
  // The reason stands behind the last colon; the path before it may hold anything.
  size_t colon = message.rfind(": ");
  auto reason = colon == std::string_view::npos ? message : message.substr(colon + 2);
  if (reason.starts_with("No such file")) return StatError::MISSING;
  // Of a directory that is to be made, the latter.
  if (reason.starts_with("Not a directory") || reason.starts_with("File exists")) {
    return StatError::NOT_A_DIRECTORY;
  }
  if (reason.starts_with("Too many levels") || reason.starts_with("Symbolic link loop")) {
    return StatError::LOOP;
  }
  if (reason.starts_with("Permission denied")) return StatError::DENIED;
  if (reason.starts_with("File name too long") || reason.starts_with("Filename too long")) {
    return StatError::NAME_TOO_LONG;
  }
  return StatError::OTHER;
}

kj::StringPtr tagOf(StatError error) {
  switch (error) {
    case StatError::MISSING:
      return "NotFound";
    case StatError::DENIED:
      return "PermissionDenied";
    case StatError::NOT_A_DIRECTORY:
    case StatError::LOOP:
      return "BadResource";
    default:
      return "Unknown";
  }
}

kj::StringPtr typeName(uint32_t mode) {
  switch (mode & 0170000) {
    case 0010000:
      return "a named pipe";
    case 0020000:
    case 0060000:
      return "a device";
    case 0140000:
      return "a socket";
    default:
      return "no regular file";
  }
}

kj::String lookScript() {
  return kj::str(PLACE_FUNCTION, SCRIPT);
}

std::vector<FileState> parseLook(kj::ArrayPtr<const kj::byte> output, kj::StringPtr boundary,
                                 size_t count) {
  std::vector<FileState> states;
  std::string_view rest(reinterpret_cast<const char*>(output.begin()), output.size());
  auto end = "\n" + std::string(view(boundary)) + "\n";
  while (states.size() < count) {
    size_t at = rest.find(end);
    if (at == std::string_view::npos) {
      throwError(ErrorKind::FAILED, "the sandbox's answer about its files broke off");
    }
    states.push_back(parseState(rest.substr(0, at)));
    rest.remove_prefix(at + end.size());
  }
  return states;
}

}  // namespace sandbridge
