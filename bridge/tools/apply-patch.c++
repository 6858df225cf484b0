#include "base/coroutine.h"
#include "tools/diagnosis.h"
#include "tools/diff.h"
#include "tools/file-turn.h"
#include "tools/patch-tree.h"
#include "tools/patch.h"
#include "tools/place.h"

#include <algorithm>

namespace sandbridge {

namespace {

struct FileChange {
  kj::StringPtr type;
  std::string path;
  kj::Maybe<std::string> movePath;
  Text text;  // what the file becomes
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
FileChange applySection(PatchTree& tree, const PatchSection& section, const std::string& path,
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
      change.text = content;
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
        change.text = std::move(text);
      } else {
        throw Refusal{
            kj::str("apply_patch verification failed: Failed to read file to update: ", pathText)};
      }
      break;
    }
  }
  return change;
}

// The file that has the change's text; none for one that was deleted.
kj::Maybe<const std::string&> fileOf(const FileChange& change) {
  KJ_IF_MAYBE (to, change.movePath) return *to;
  if (change.type == "delete") return nullptr;
  return change.path;
}

// What the changes are to people and interfaces.
struct Description {
  kj::String diff;
  std::string sources, summary = "Success. Updated the following files:";
  kj::Vector<kj::String> patterns;
};

Description describe(ToolContext& context, const std::vector<FileChange>& changes) {
  Description description;
  Text total;
  for (auto& change : changes) {
    total.append(change.patch).push_back(u'\n');
    auto relative = shownPath(context, change.path);
    if (!description.sources.empty()) description.sources += ", ";
    description.sources += relative;
    description.patterns.add(toKj(relative));
    std::string shown = relative;
    KJ_IF_MAYBE (to, change.movePath) {
      shown = shownPath(context, *to);
    }
    description.summary += change.type == "add"      ? "\nA "
                           : change.type == "delete" ? "\nD "
                                                     : "\nM ";
    description.summary += shown;
  }
  description.diff = encodeUtf8(total);
  return description;
}

void writeFiles(JsonWriter& json, ToolContext& context, const std::vector<FileChange>& changes) {
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
}

ToolUi::Question patchQuestion(ToolContext& context, const std::vector<FileChange>& changes,
                               Description& description) {
  JsonWriter asked;
  asked.beginObject()
      .field("filepath", chars(description.sources))
      .field("diff", description.diff);
  writeFiles(asked, context, changes);
  asked.endObject();
  return {kj::str("edit"), description.patterns.releaseAsArray(), kj::arr(kj::str("*")),
          asked.finish()};
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
    std::set<std::string> unknown;
    for (auto& section : sections) {
      Names n{pathOf(context, section.path), nullptr};
      unknown.insert(n.path);
      KJ_IF_MAYBE (move, section.movePath) {
        auto target = pathOf(context, *move);
        unknown.insert(target);
        n.target = kj::mv(target);
      }
      names.push_back(kj::mv(n));
    }
    auto all = unknown;
    PatchTree tree;
    bool remembers = co_await tree.remember(context, unknown);

    std::vector<FileChange> changes;
    Description description;
    size_t asked = 0;  // sections whose places outside of the workspace were asked for
    std::set<std::string> allowedPlaces;  // to which names inside lead
    auto askFor = [&](size_t section, std::string path) -> kj::Promise<void> {
      auto place = tree.at(path).state.realPath;
      bool leads = leadsOut(context.root, path, place) && allowedPlaces.insert(place).second;
      if (leads || section >= asked) passOrRefuse(co_await askExternal(context, ui, path, false, place));
    };
    for (unsigned plans = 0;; ++plans) {
      if (plans == MOST_PLANS) throw keepsChanging(*all.begin());
      // What is not known is looked at once, then each section works on what the ones before it
      // made.
      co_await tree.look(context, kj::mv(unknown));
      unknown.clear();
      tree.restart();
      changes.clear();
      kj::Maybe<Refusal> refusal;
      for (size_t i = 0; i < sections.size() && refusal == nullptr; ++i) {
        auto target = names[i].target;
        co_await askFor(i, names[i].path);
        try {
          changes.push_back(applySection(tree, sections[i], names[i].path, target));
        } catch (Refusal& r) {
          refusal = kj::mv(r);
          break;
        }
        KJ_IF_MAYBE (to, target) {
          co_await askFor(i, *to);
        }
        asked = std::max(asked, i + 1);
      }
      KJ_IF_MAYBE (r, refusal) {
        if (!remembers) throw Refusal{kj::mv(*r)};
        // By what is remembered; the files may be others by now.
        remembers = false;
        unknown = all;
        continue;
      }

      auto before = kj::mv(description.diff);
      description = describe(context, changes);
      if (description.diff != before) {
        passOrRefuse(co_await ask(ui, patchQuestion(context, changes, description)));
      }
      auto outcome = co_await tree.commit(context);
      KJ_IF_MAYBE (failure, outcome.failure) {
        co_return failedResult(kj::mv(*failure));
      }
      if (outcome.isDone) break;
      unknown = kj::mv(outcome.unknown);
    }

    Diagnosis diagnosis(context, ui);
    for (auto& change : changes) {
      if (change.type == "delete" || change.type == "move") diagnosis.removed(change.path);
      KJ_IF_MAYBE (path, fileOf(change)) diagnosis.changed(*path, change.text);
    }
    co_await diagnosis.ask();
    std::string summary = description.summary;
    for (auto& change : changes) {
      KJ_IF_MAYBE (path, fileOf(change)) {
        summary += view(diagnosis.errorsIn(*path, shownPath(context, *path) + ", please fix"));
      }
    }

    JsonWriter metadata;
    metadata.beginObject().field("diff", description.diff);
    writeFiles(metadata, context, changes);
    diagnosis.write(metadata);
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
