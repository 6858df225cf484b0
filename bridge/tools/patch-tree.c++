#include "tools/patch-tree.h"

#include "base/coroutine.h"
#include "base/ids.h"
#include "tools/place.h"

#include <algorithm>

namespace sandbridge {

namespace {

kj::Maybe<Bytes> bytesOf(const kj::Maybe<kj::Array<const kj::byte>>& content) {
  return content.map([](const kj::Array<const kj::byte>& bytes) { return bytes.asPtr(); });
}

bool isSame(const kj::Maybe<kj::Array<const kj::byte>>& a, const kj::Maybe<kj::Array<const kj::byte>>& b) {
  KJ_IF_MAYBE (x, a) {
    KJ_IF_MAYBE (y, b) return *x == *y;
    return false;
  }
  return b == nullptr;
}

// $1 `there` or `perhaps`, then pairs of a path and its content's SHA-256. Exit code 26: one of
// them is no such file; nothing has been removed. With `perhaps` a missing one is none of these.
constexpr kj::StringPtr REMOVE_SCRIPT = R"sh(
export LC_ALL=C
must=$1
shift
changed() {
  while [ $# -gt 0 ]; do
    if [ -f "$1" ]; then
      [ "$(sha256sum <"$1")" = "$2  -" ] || return 0
    elif [ $must = there ] || [ -e "$1" ]; then
      return 0
    fi
    shift 2
  done
  return 1
}
! changed "$@" || exit 26
while [ $# -gt 0 ]; do
  rm -f -- "$1" || exit 1
  shift 2
done
)sh"_kj;
constexpr unsigned CHANGED = 26;

struct Removal {
  std::string path;
  kj::String hash;
};

// False: one of them has changed, and is still there.
kj::Promise<bool> removeFiles(ToolContext& context, std::vector<Removal> removals,
                              kj::StringPtr must) {
  for (size_t next = 0; next < removals.size();) {
    kj::Vector<kj::String> args;
    args.add(kj::str(must));
    for (size_t bytes = 0; next < removals.size() && bytes < 64u << 10; ++next) {
      auto& removal = removals[next];
      bytes += removal.path.size() + removal.hash.size() + 2;
      args.add(toKj(removal.path));
      args.add(kj::mv(removal.hash));
    }
    auto captured = co_await look(context, REMOVE_SCRIPT, args.releaseAsArray());
    if (captured.status.kind == ExitStatus::EXITED && captured.status.value == CHANGED) {
      co_return false;
    }
    if (!captured.status.success()) {
      throwError(ErrorKind::FAILED,
                 kj::str("Unknown: FileSystem.remove: ", validUtf8(captured.errorOutput)));
    }
  }
  co_return true;
}

// One file's new content in its place, or why it is not.
struct Write {
  Write(std::string path) : path(std::move(path)) {}
  Write(Write&&) = default;
  Write& operator=(Write&&) = default;

  std::string path;
  kj::Maybe<FileState> changed;  // under the patch, to this
  kj::Maybe<kj::Exception> failure;
};

kj::Promise<Write> writeFile(ToolContext& context, const PatchTree::Entry& entry, std::string path) {
  Write write(path);
  auto& now = KJ_ASSERT_NONNULL(entry.now);
  try {
    if (entry.before == nullptr && entry.state.exists()) {  // fails, and says why
      co_await context.workspace.writeFile(toKj(path), kj::heapArray<const kj::byte>(now));
    } else {
      write.changed = co_await context.workspace.replaceFile(toKj(path), bytesOf(entry.before), now);
    }
  } catch (kj::Exception& e) {
    write.failure = kj::mv(e);
  }
  co_return kj::mv(write);
}

// So many files are written at once.
constexpr size_t MOST_WRITES = 16;

}  // namespace

kj::Promise<bool> PatchTree::remember(ToolContext& context, std::set<std::string>& unknown) {
  bool any = false;
  for (auto path = unknown.begin(); path != unknown.end();) {
    KJ_IF_MAYBE (content, context.files.take(*path)) {
      co_await learn(context, *path, rememberedState(kj::mv(*content)));
      any = true;
      path = unknown.erase(path);
    } else {
      ++path;
    }
  }
  co_return any;
}

kj::Promise<void> PatchTree::look(ToolContext& context, std::set<std::string> paths) {
  if (paths.empty()) co_return;
  std::vector<std::string> list(paths.begin(), paths.end());
  auto states = co_await lookAt(context, list);
  for (size_t i = 0; i < list.size(); ++i) co_await learn(context, list[i], kj::mv(states[i]));
}

kj::Promise<void> PatchTree::learn(ToolContext& context, std::string path, FileState state) {
  Entry entry;
  if (state.isRegular()) {
    entry.state.mode = state.mode;
    entry.state.realPath = state.realPath;
    entry.before = co_await contentOf(context, path, kj::mv(state), EDIT_BYTES, "patch");
  } else {
    entry.state = kj::mv(state);
  }
  entries.insert_or_assign(path, kj::mv(entry));
}

void PatchTree::restart() {
  order.clear();
  for (auto& [path, entry] : entries) {
    entry.touched = false;
    entry.now = entry.before.map([](auto& bytes) { return kj::heapArray<const kj::byte>(bytes); });
  }
}

void PatchTree::set(const std::string& path, kj::Maybe<kj::Array<const kj::byte>> content) {
  auto& entry = at(path);
  if (!entry.touched) order.push_back(path);
  entry.touched = true;
  entry.now = kj::mv(content);
}

kj::Promise<PatchTree::Outcome> PatchTree::commit(ToolContext& context) {
  std::vector<std::string> writes, written;
  std::vector<Removal> removals;
  for (auto& path : order) {
    auto& entry = at(path);
    KJ_IF_MAYBE (before, entry.before) {
      if (entry.now == nullptr) removals.push_back({path, sha256Hex(*before)});
    }
    if (entry.now != nullptr) writes.push_back(path);
  }

  std::vector<Write> changed, failures;
  for (size_t next = 0; next < writes.size() && failures.empty() && changed.empty();) {
    size_t count = std::min(MOST_WRITES, writes.size() - next);
    auto batch = kj::heapArrayBuilder<kj::Promise<Write>>(count);
    for (size_t i = 0; i < count; ++i, ++next) {
      batch.add(writeFile(context, at(writes[next]), writes[next]));
    }
    for (auto& write : co_await kj::joinPromises(batch.finish())) {
      KJ_IF_MAYBE (e, write.failure) {
        // A write that failed left its own file as it was; one whose answer was lost may have
        // happened.
        bool lost = isInfrastructure(*e);
        if (lost) written.push_back(write.path);
        failures.insert(lost ? failures.begin() : failures.end(), kj::mv(write));
      } else if (write.changed != nullptr) {
        changed.push_back(kj::mv(write));
      } else {
        written.push_back(write.path);
      }
    }
  }
  Outcome outcome;
  if (failures.empty() && changed.empty() && !removals.empty()) {
    std::set<std::string> paths;
    for (auto& removal : removals) paths.insert(removal.path);
    // What is removed counts as written, so that a failure half way brings it back.
    written.insert(written.end(), paths.begin(), paths.end());
    try {
      bool removed = co_await removeFiles(context, kj::mv(removals), "there");
      if (!removed) outcome.unknown = kj::mv(paths);
    } catch (kj::Exception& e) {
      failures.emplace_back("");
      failures.back().failure = kj::mv(e);
    }
  }
  if (failures.empty() && changed.empty() && outcome.unknown.empty()) {
    for (auto& path : writes) {
      // Of what is remembered nobody asks where it is.
      if (leadsOut(context.root, path, at(path).state.realPath)) continue;
      context.files.keep(path, KJ_ASSERT_NONNULL(kj::mv(at(path).now)));
    }
    outcome.isDone = true;
    co_return kj::mv(outcome);
  }

  auto lost = co_await rollBack(context, kj::mv(written));
  if (!failures.empty()) {
    auto& first = failures[0];
    auto& e = KJ_ASSERT_NONNULL(first.failure);
    if (lost.empty() && isInfrastructure(e)) kj::throwFatalException(kj::mv(e));
    outcome.failure =
        first.path.empty() || isInfrastructure(e) ? textOf(e) : writeError(e, first.path);
  } else if (!lost.empty()) {
    outcome.failure = kj::str("Something else has changed files while they were patched.");
  } else {
    for (auto& write : changed) {
      co_await learn(context, write.path, kj::mv(KJ_ASSERT_NONNULL(write.changed)));
    }
  }
  if (!lost.empty()) {
    std::string list;
    for (auto& path : lost) list += (list.empty() ? "" : ", ") + path;
    outcome.failure = kj::str(KJ_ASSERT_NONNULL(outcome.failure),
                              "\nThe patch was begun, and these files could not be put back: ",
                              chars(list));
  }
  co_return kj::mv(outcome);
}

// Puts back what was there, where it still is what the patch has made of it. Goes on past failures;
// returns the paths that it could not restore.
kj::Promise<std::vector<std::string>> PatchTree::rollBack(ToolContext& context,
                                                          std::vector<std::string> written) {
  std::vector<std::string> created, failed;
  std::vector<Removal> removals;
  for (auto& path : written) {
    auto& entry = at(path);
    KJ_IF_MAYBE (before, entry.before) {
      try {
        auto present =
            co_await context.workspace.replaceFile(toKj(path), bytesOf(entry.now), *before);
        KJ_IF_MAYBE (state, present) {
          // It may never have been written, or removed.
          bool untouched = entry.now == nullptr || isSame(state->content, entry.before);
          if (!untouched) failed.push_back(path);
        }
      } catch (kj::Exception&) {
        failed.push_back(path);
      }
    } else {
      created.push_back(path);
      removals.push_back({path, sha256Hex(KJ_ASSERT_NONNULL(entry.now))});
    }
  }
  bool removed = false;
  try {
    removed = co_await removeFiles(context, kj::mv(removals), "perhaps");
  } catch (kj::Exception&) {
  }
  if (!removed) failed.insert(failed.end(), created.begin(), created.end());
  co_return failed;
}

}  // namespace sandbridge
