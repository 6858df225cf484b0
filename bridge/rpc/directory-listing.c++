#include "rpc/directory-listing.h"

#include "base/coroutine.h"
#include "base/error.h"

#include <algorithm>
#include <kj/vector.h>
#include <stdlib.h>
#include <string.h>

namespace sandbridge {
namespace {

// Exit codes of the scripts, by which failures are told apart.
enum : unsigned { MISSING = 20, WRONG_KIND = 21, REFUSED = 22 };

// Names may hold newlines, so they travel between NULs, and the lines of stat are matched against them. Two passes over
// the directory race with changes; an entry that only one of them saw has no size.
constexpr kj::StringPtr LIST_SCRIPT = R"SH(
unset CDPATH
if [ ! -d "$1" ]; then
  [ -e "$1" ] || [ -L "$1" ] || exit 20
  exit 21
fi
cd -- "$1" || exit 22
[ -r . ] || exit 22
for name in * .[!.]* ..?*; do
  if [ -d "$name" ]; then printf 'd./%s\0' "$name"
  elif [ -e "$name" ] || [ -L "$name" ]; then printf 'f./%s\0' "$name"; fi
done
printf '\0'
for name in * .[!.]* ..?*; do
  if [ -e "$name" ]; then printf './%s\0' "$name"; fi
done | xargs -0 -r stat -L -c '%s %Y %n' -- 2>/dev/null
exit 0
)SH"_kj;

constexpr kj::StringPtr REMOVE_SCRIPT = R"SH(
if [ -d "$1" ] && [ ! -L "$1" ]; then exit 21; fi
[ -e "$1" ] || [ -L "$1" ] || exit 20
rm -f -- "$1" || exit 22
)SH"_kj;

kj::Array<kj::String> oneArgument(kj::StringPtr path) {
  auto builder = kj::heapArrayBuilder<kj::String>(1);
  builder.add(kj::str(path));
  return builder.finish();
}

void check(const Workspace::Captured& captured, kj::StringPtr path, kj::StringPtr verb,
           kj::StringPtr wrongKind) {
  auto& status = captured.status;
  if (status.success()) return;
  if (status.kind == ExitStatus::EXITED) {
    switch (status.value) {
      case MISSING:
        throwError(ErrorKind::NOT_FOUND, kj::str("there is no ", path));
      case WRONG_KIND:
        throwError(ErrorKind::INVALID_ARGUMENT, kj::str(path, " ", wrongKind));
      default: break;
    }
  }
  auto reason = captured.errorOutput.asChars();
  while (reason.size() > 0 && reason.back() == '\n') reason = reason.slice(0, reason.size() - 1);
  throwError(ErrorKind::FAILED,
             reason.size() > 0 ? kj::str("cannot ", verb, " ", path, ": ", reason)
                               : kj::str("cannot ", verb, " ", path, ": permission denied"));
}

[[noreturn]] void malformed() {
  throwError(ErrorKind::FAILED, "the sandbox gave a listing that cannot be read");
}

}  // namespace

kj::Array<DirectoryEntry> parseListing(kj::ArrayPtr<const char> text) {
  kj::Vector<DirectoryEntry> entries;
  auto pos = text.begin(), end = text.end();
  for (;;) {
    auto nul = reinterpret_cast<const char*>(memchr(pos, 0, end - pos));
    if (nul == nullptr) malformed();
    if (nul == pos) {
      ++pos;
      break;
    }
    if (nul - pos < 4 || (*pos != 'd' && *pos != 'f')) malformed();
    DirectoryEntry entry;
    entry.name = kj::heapString(pos + 3, nul - pos - 3);
    entry.isDirectory = *pos == 'd';
    entries.add(kj::mv(entry));
    pos = nul + 1;
  }
  for (auto& entry : entries) {
    if (pos == end) break;
    char* afterSize;
    char* afterTime;
    auto size = strtoull(pos, &afterSize, 10);
    if (afterSize == pos || *afterSize != ' ') malformed();
    auto seconds = strtoll(afterSize + 1, &afterTime, 10);
    auto tail = kj::str(" ./", entry.name, "\n");
    auto left = static_cast<size_t>(end - afterTime);
    if (left < tail.size() || memcmp(afterTime, tail.begin(), tail.size()) != 0) continue;
    entry.size = size;
    entry.modifiedAt = seconds * 1000;
    pos = afterTime + tail.size();
  }
  std::sort(entries.begin(), entries.end(), [](const DirectoryEntry& a, const DirectoryEntry& b) {
    if (a.isDirectory != b.isDirectory) return a.isDirectory;
    return a.name < b.name;
  });
  return entries.releaseAsArray();
}

kj::Promise<kj::Array<DirectoryEntry>> listDirectory(Workspace& workspace, kj::String path) {
  auto captured = co_await workspace.runScript(LIST_SCRIPT, oneArgument(path));
  check(captured, path, "list", "is not a directory");
  // strtoull needs an end.
  auto text = kj::heapString(captured.output.asChars().begin(), captured.output.size());
  co_return parseListing(text);
}

kj::Promise<void> removeFile(Workspace& workspace, kj::String path) {
  auto captured = co_await workspace.runScript(REMOVE_SCRIPT, oneArgument(path));
  check(captured, path, "remove", "is a directory; only files can be removed");
}

}  // namespace sandbridge
