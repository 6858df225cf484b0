#include "base/coroutine.h"
#include "tools/diff.h"
#include "tools/look.h"
#include "tools/patch.h"

#include <algorithm>
#include <map>

namespace sandbridge {

namespace {

// The files that a patch touches: as they are, and as the sections make them one after the other.
class Tree {
 public:
  struct Entry {
    FileState state;
    kj::Maybe<kj::Array<const kj::byte>> before;  // null: there was no file
    kj::Maybe<kj::Array<const kj::byte>> now;
    bool touched = false;
  };
  std::map<std::string, Entry> entries;
  std::vector<std::string> order;  // in which they were touched

  Entry& at(const std::string& path) { return entries.find(path)->second; }

  void set(const std::string& path, kj::Maybe<kj::Array<const kj::byte>> content) {
    auto& entry = at(path);
    if (!entry.touched) order.push_back(path);
    entry.touched = true;
    entry.now = kj::mv(content);
  }
};

struct FileChange {
  kj::StringPtr type;
  std::string path;
  kj::Maybe<std::string> movePath;
  Text patch;
  LineCounts counts;
};

TextView withoutBom(TextView text) {
  return startsWith(text, u"\ufeff") ? text.substr(1) : text;
}

kj::Array<const kj::byte> encode(TextView text) {
  std::string bytes;
  appendUtf8(bytes, text);
  return kj::heapArray<const kj::byte>(reinterpret_cast<const kj::byte*>(bytes.data()),
                                       bytes.size());
}

std::string pathOf(ToolContext& context, const Text& text) {
  std::string name;
  appendUtf8(name, text);
  if (name.find('\0') != std::string::npos || name.size() > PATH_BYTES) {
    throw Refusal{kj::str(
        "apply_patch verification failed: a path in the patch holds a null byte or is too long")};
  }
  return resolvePath(context.root, name);
}

// One section's effect on the tree. Throws Refusal.
FileChange applySection(Tree& tree, const PatchSection& section, const std::string& path,
                        kj::Maybe<std::string> target) {
  auto pathText = validUtf8(chars(path).asBytes());
  auto shown = decodeUtf8(pathText);
  auto& entry = tree.at(path);
  FileChange change;
  change.path = path;
  switch (section.kind) {
    case PatchSection::ADD: {
      auto content = withoutBom(section.content);
      change.type = "add";
      change.patch = createPatch(shown, u"", content);
      change.counts = countChanges(u"", content);
      tree.set(path, encode(section.content));
      break;
    }
    case PatchSection::REMOVE: {
      KJ_IF_MAYBE (bytes, entry.now) {
        auto old = decodeFile(*bytes);
        change.type = "delete";
        change.patch = createPatch(shown, old.text, u"");
        change.counts.deletions = std::count(old.text.begin(), old.text.end(), u'\n') + 1;
        tree.set(path, nullptr);
      } else {
        auto tag = entry.state.isDirectory() ? "BadResource"_kj
                   : entry.state.exists()    ? "NotFound"_kj
                                             : tagOf(entry.state.error);
        throw Refusal{
            kj::str("apply_patch verification failed: ", fileSystemError(tag, "readFile", path))};
      }
      break;
    }
    case PatchSection::UPDATE: {
      KJ_IF_MAYBE (bytes, entry.now) {
        auto old = decodeFile(*bytes);
        auto splices = applyChunks(old.text, section.chunks, pathText);
        auto text = applySplices(old.text, splices);
        change.type = target == nullptr ? "update" : "move";
        change.patch = createPatch(shown, old.text, text);
        change.counts = countChanges(old.text, text);
        auto content = encodeFile(old, *bytes, splices, old.bom);
        KJ_IF_MAYBE (to, target) {
          change.movePath = *to;
          if (*to != path) tree.set(path, nullptr);
          tree.set(*to, kj::mv(content));
        } else {
          tree.set(path, kj::mv(content));
        }
      } else {
        throw Refusal{
            kj::str("apply_patch verification failed: Failed to read file to update: ", pathText)};
      }
      break;
    }
  }
  return change;
}

constexpr kj::StringPtr REMOVE_SCRIPT = R"sh(
export LC_ALL=C
for path do rm -f -- "$path" || exit 1; done
)sh"_kj;

kj::Promise<void> removeFiles(ToolContext& context, std::vector<std::string> paths) {
  for (size_t next = 0; next < paths.size();) {
    kj::Vector<kj::String> args;
    size_t bytes = 0;
    while (next < paths.size() && (args.size() == 0 || bytes + paths[next].size() < 64u << 10)) {
      bytes += paths[next].size() + 1;
      args.add(toKj(paths[next++]));
    }
    auto captured = co_await look(context, REMOVE_SCRIPT, args.releaseAsArray());
    if (!captured.status.success()) {
      throwError(ErrorKind::FAILED,
                 kj::str("Unknown: FileSystem.remove: ", validUtf8(captured.errorOutput)));
    }
  }
}

// Puts back what was there. Goes on past failures; returns the paths that it could not restore.
kj::Promise<std::vector<std::string>> rollBack(ToolContext& context, Tree& tree,
                                               std::vector<std::string> written) {
  std::vector<std::string> created, failed;
  for (auto& path : written) {
    auto& entry = tree.at(path);
    KJ_IF_MAYBE (before, entry.before) {
      try {
        co_await context.workspace.writeFile(toKj(path), kj::heapArray<const kj::byte>(*before));
      } catch (kj::Exception&) {
        failed.push_back(path);
      }
    } else {
      created.push_back(path);
    }
  }
  try {
    co_await removeFiles(context, created);
  } catch (kj::Exception&) {
    failed.insert(failed.end(), created.begin(), created.end());
  }
  co_return failed;
}

// Writes all of the tree, or nothing. Returns what went wrong.
kj::Promise<kj::Maybe<kj::String>> commit(ToolContext& context, Tree& tree) {
  std::vector<std::string> written, removals;
  std::string current;
  kj::Maybe<kj::Exception> failure;
  try {
    for (auto& path : tree.order) {
      auto& entry = tree.at(path);
      KJ_IF_MAYBE (content, entry.now) {
        current = path;
        written.push_back(path);
        co_await context.workspace.writeFile(toKj(path), kj::heapArray<const kj::byte>(*content));
      } else if (entry.before != nullptr) {
        removals.push_back(path);
      }
    }
    current.clear();
    // Removed files count as written, so that a failure half way brings them back.
    written.insert(written.end(), removals.begin(), removals.end());
    co_await removeFiles(context, removals);
    co_return nullptr;
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  auto& e = KJ_ASSERT_NONNULL(failure);
  // A write that failed left its own file as it was; one whose answer was lost may have happened.
  if (!current.empty() && !isInfrastructure(e)) written.pop_back();
  auto failed = co_await rollBack(context, tree, kj::mv(written));
  if (failed.empty() && isInfrastructure(e)) kj::throwFatalException(kj::mv(e));
  auto text = current.empty() || isInfrastructure(e) ? textOf(e) : writeError(e, current);
  if (failed.empty()) co_return kj::mv(text);
  std::string list;
  for (auto& path : failed) list += (list.empty() ? "" : ", ") + path;
  co_return kj::str(text,
                    "\nThe patch was begun, and these files could not be put back: ", chars(list));
}

}  // namespace

kj::Promise<ToolResult> runApplyPatch(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto sections = parsePatch(arguments.text("patchText"));
    struct Names {
      std::string path;
      kj::Maybe<std::string> target;
    };
    std::vector<Names> names;
    std::set<std::string> all;
    for (auto& section : sections) {
      Names n{pathOf(context, section.path), nullptr};
      all.insert(n.path);
      KJ_IF_MAYBE (move, section.movePath) {
        auto target = pathOf(context, *move);
        all.insert(target);
        n.target = kj::mv(target);
      }
      names.push_back(kj::mv(n));
    }

    // Everything the patch can touch is looked at once, then each section works on what the ones
    // before it made.
    Tree tree;
    std::vector<std::string> paths(all.begin(), all.end());
    auto states = co_await lookAt(context, paths);
    for (size_t i = 0; i < paths.size(); ++i) {
      Tree::Entry entry;
      if (states[i].isRegular()) {
        auto content =
            co_await contentOf(context, paths[i], kj::mv(states[i]), EDIT_BYTES, "patch");
        entry.now = kj::heapArray<const kj::byte>(content);
        entry.before = kj::mv(content);
        entry.state.mode = 0100000;
      } else {
        entry.state = kj::mv(states[i]);
      }
      tree.entries.emplace(paths[i], kj::mv(entry));
    }

    std::vector<FileChange> changes;
    for (size_t i = 0; i < sections.size(); ++i) {
      auto target = names[i].target;
      passOrRefuse(co_await askExternal(context, ui, names[i].path, false));
      changes.push_back(applySection(tree, sections[i], names[i].path, target));
      KJ_IF_MAYBE (to, target) {
        passOrRefuse(co_await askExternal(context, ui, *to, false));
      }
    }

    Text total;
    JsonWriter files, list;
    std::string sources, summary = "Success. Updated the following files:";
    kj::Vector<kj::String> patterns;
    auto writeFiles = [&](JsonWriter& json) {
      json.key("files").beginArray();
      for (auto& change : changes) {
        std::string shown = change.path;
        KJ_IF_MAYBE (to, change.movePath) {
          shown = *to;
        }
        json.beginObject()
            .field("filePath", chars(change.path))
            .field("relativePath", chars(shownPath(context, shown)))
            .field("type", change.type)
            .field("patch", encodeUtf8(change.patch))
            .field("additions", uint64_t(change.counts.additions))
            .field("deletions", uint64_t(change.counts.deletions));
        KJ_IF_MAYBE (to, change.movePath) {
          json.field("movePath", chars(*to));
        }
        json.endObject();
      }
      json.endArray();
    };
    for (auto& change : changes) {
      total.append(change.patch).push_back(u'\n');
      auto relative = shownPath(context, change.path);
      if (!sources.empty()) sources += ", ";
      sources += relative;
      patterns.add(toKj(relative));
      std::string shown = relative;
      KJ_IF_MAYBE (to, change.movePath) {
        shown = shownPath(context, *to);
      }
      summary += change.type == "add" ? "\nA " : change.type == "delete" ? "\nD " : "\nM ";
      summary += shown;
    }
    auto diff = encodeUtf8(total);
    JsonWriter asked;
    asked.beginObject().field("filepath", chars(sources)).field("diff", diff);
    writeFiles(asked);
    asked.endObject();
    passOrRefuse(co_await ask(
        ui, {kj::str("edit"), patterns.releaseAsArray(), kj::arr(kj::str("*")), asked.finish()}));

    KJ_IF_MAYBE (failure, co_await commit(context, tree)) {
      co_return failedResult(kj::mv(*failure));
    }

    JsonWriter metadata;
    metadata.beginObject().field("diff", diff);
    writeFiles(metadata);
    metadata.key("diagnostics").beginObject().endObject();
    metadata.field("truncated", false).endObject();
    ToolResult result;
    result.output = validUtf8(chars(summary).asBytes());
    result.title = kj::str(result.output);
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
