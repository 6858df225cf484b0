#include "tools/look.h"

#include "base/coroutine.h"
#include "base/ids.h"

#include <cstring>

namespace sandbridge {

namespace {

// For each path: "E<message>\0", or "S<mode hex> <size> <kind>\n<real path>\0" and, for kind C, the
// content. Then "\n", the boundary and "\n". The boundary is random, so that no content can hold
// it.
constexpr kj::StringPtr SCRIPT = R"sh(
export LC_ALL=C
limit=$1 boundary=$2
shift 2
for path do
  if out=$(stat -L -c '%f %s' -- "$path" 2>&1); then
    kind=N
    if [ -f "$path" ]; then
      if [ ! -r "$path" ]; then kind=U
      elif [ "${out#* }" -gt "$limit" ]; then kind=T
      else kind=C
      fi
    fi
    printf 'S%s %s\n%s\0' "$out" "$kind" "$(readlink -f -- "$path")"
    [ $kind != C ] || head -c "$limit" -- "$path"
  else
    printf 'E%s\0' "$out"
  fi
  printf '\n%s\n' "$boundary"
done
)sh"_kj;

// Paths a script: together with the rest they must fit into its arguments.
constexpr size_t BATCH_BYTES = 64u << 10;

FileState parseState(std::string_view text) {
  FileState state;
  size_t end = text.find('\0');
  KJ_REQUIRE(!text.empty() && end != std::string_view::npos, "the sandbox's answer is malformed");
  auto head = text.substr(1, end - 1);
  if (text[0] == 'E') {
    state.error = statErrorOf(head);
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

kj::Promise<std::vector<FileState>> lookAt(ToolContext& context, std::vector<std::string> paths,
                                           uint64_t inlineBytes) {
  std::vector<FileState> states;
  for (size_t next = 0; next < paths.size();) {
    auto boundary = randomToken();
    kj::Vector<kj::String> args;
    args.add(kj::str(inlineBytes));
    args.add(kj::str(boundary));
    size_t bytes = 0, first = next;
    while (next < paths.size() && (next == first || bytes + paths[next].size() <= BATCH_BYTES)) {
      bytes += paths[next].size() + 1;
      args.add(toKj(paths[next++]));
    }
    auto captured = co_await look(context, SCRIPT, args.releaseAsArray(), 64u << 20);
    std::string_view output(reinterpret_cast<const char*>(captured.output.begin()),
                            captured.output.size());
    auto end = "\n" + std::string(view(boundary)) + "\n";
    for (size_t i = first; i < next; ++i) {
      size_t at = output.find(end);
      if (at == std::string_view::npos) {
        throwError(ErrorKind::FAILED, "the sandbox's answer about its files broke off");
      }
      states.push_back(parseState(output.substr(0, at)));
      output.remove_prefix(at + end.size());
    }
  }
  co_return std::move(states);
}

kj::Promise<kj::Maybe<kj::Array<kj::byte>>> readAtMost(kj::AsyncInputStream& input,
                                                       uint64_t limit) {
  kj::Vector<kj::byte> bytes;
  auto buffer = kj::heapArray<kj::byte>(65536);
  for (;;) {
    size_t n = co_await input.tryRead(buffer.begin(), 1, buffer.size());
    if (n == 0) break;
    if (bytes.size() + n > limit) co_return nullptr;
    bytes.addAll(buffer.slice(0, n));
  }
  co_return bytes.releaseAsArray();
}

kj::Promise<kj::Array<const kj::byte>> contentOf(ToolContext& context, std::string path,
                                                 FileState state, uint64_t limit,
                                                 kj::StringPtr verb) {
  if (state.isDirectory()) {
    throwError(ErrorKind::FAILED, fileSystemError("BadResource", "readFile", path));
  }
  if (!state.readable) {
    throwError(ErrorKind::FAILED, fileSystemError("PermissionDenied", "readFile", path));
  }
  if (!state.isRegular()) {
    throwError(ErrorKind::FAILED, kj::str("Cannot ", verb, " ", validUtf8(chars(path).asBytes()),
                                          ": it is ", typeName(state.mode)));
  }
  KJ_IF_MAYBE (content, state.content) {
    co_return kj::mv(*content);
  }
  if (state.size <= limit) {
    auto stream = co_await context.workspace.readFile(toKj(path));
    auto content = co_await readAtMost(*stream, limit);
    KJ_IF_MAYBE (bytes, content) {
      co_return kj::mv(*bytes);
    }
  }
  throwError(ErrorKind::FAILED,
             kj::str("File is too large to ", verb, ": ", validUtf8(chars(path).asBytes()), " has ",
                     state.size, " bytes, at most ", limit,
                     " are possible. Use bash with a program made for large files."));
}

}  // namespace sandbridge
