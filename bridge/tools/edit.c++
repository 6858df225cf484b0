#include "base/coroutine.h"
#include "tools/diagnosis.h"
#include "tools/diff.h"
#include "tools/file-turn.h"
#include "tools/replace.h"

namespace sandbridge {

namespace {

constexpr size_t MOST_EDITS = 100;
constexpr kj::StringPtr NO_CHANGES = "No changes to apply: oldString and newString are identical."_kj;
constexpr TextView CRLF = u"\r\n", LF = u"\n";

Text toUnix(TextView text) {
  return replaceAll(text, CRLF, LF);
}

// What edit makes of a file.
struct Plan {
  Text oldText, newText;  // without byte order mark
  kj::Array<const kj::byte> bytes;
  Text diff;
};

struct Change {
  Text oldString, newString;
  bool all;
};

Plan planCreation(TextView shown, TextView newString) {
  Plan plan;
  plan.newText = startsWith(newString, u"\ufeff") ? newString.substr(1) : newString;
  plan.diff = createPatch(shown, u"", plan.newText);
  std::string bytes;
  appendUtf8(bytes, newString);
  plan.bytes =
      kj::heapArray<const kj::byte>(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size());
  return plan;
}

Plan planReplacement(TextView shown, Bytes old, TextView oldString, TextView newString, bool all) {
  Plan plan;
  auto file = decodeFile(old);
  bool crlf = file.text.find(CRLF) != Text::npos;
  auto convert = [&](TextView text) {
    auto out = toUnix(text);
    return crlf ? replaceAll(out, LF, CRLF) : out;
  };
  auto wanted = convert(oldString), replacement = convert(newString);
  if (wanted == replacement) throw Refusal{kj::str(NO_CHANGES)};  // but for line endings
  auto splices = findReplacements(file.text, wanted, replacement, all);
  plan.newText = applySplices(file.text, splices);
  bool bom = file.bom;
  if (startsWith(plan.newText, u"\ufeff")) {
    // A mark that the new text brought to the start of the file is the file's mark.
    bom = true;
    plan.newText.erase(0, 1);
    if (!splices.empty() && splices[0].start == 0 &&
        startsWith(splices[0].replacement, u"\ufeff")) {
      splices[0].replacement.erase(0, 1);
    } else {  // a second mark came to the front
      splices = {Splice{0, file.text.size(), plan.newText}};
    }
  }
  plan.bytes = encodeFile(file, old, splices, bom);
  plan.diff = createPatch(shown, toUnix(file.text), toUnix(plan.newText));
  plan.oldText = std::move(file.text);
  return plan;
}

// What user interfaces are told of one change, or of all together.
struct Summary {
  Text diff;
  LineCounts counts;
};

Summary summarize(const Plan& plan) { return {plan.diff, countChanges(plan.oldText, plan.newText)}; }

// All changes, each on what the one before it has left; `old` is null for a file that is to be made. `steps` gets each one's
// summary if there are several.
Plan planAll(TextView shown, kj::Maybe<Bytes> old, const std::vector<Change>& changes,
             std::vector<Summary>& steps) {
  steps.clear();
  Plan plan;
  Text oldText;
  for (auto& change : changes) {
    bool first = steps.empty();
    try {
      if (old == nullptr && first) {
        plan = planCreation(shown, change.newString);
      } else {
        auto before = kj::mv(plan.bytes);
        plan = planReplacement(shown, first ? KJ_ASSERT_NONNULL(old) : before.asPtr(), change.oldString,
                               change.newString, change.all);
      }
    } catch (Refusal& refusal) {
      if (changes.size() == 1) throw;
      throw Refusal{kj::str("Edit ", steps.size() + 1, " of ", changes.size(),
                            ", so that nothing was changed: ", refusal.text)};
    }
    if (changes.size() > 1) steps.push_back(summarize(plan));
    if (first) oldText = std::move(plan.oldText);
  }
  plan.oldText = std::move(oldText);
  if (changes.size() > 1) plan.diff = createPatch(shown, toUnix(plan.oldText), toUnix(plan.newText));
  return plan;
}

// The fields of edit's metadata for one change.
void writeChange(JsonWriter& metadata, std::string_view path, const Summary& summary) {
  auto diff = encodeUtf8(summary.diff);
  metadata.field("diff", diff)
      .key("filediff")
      .beginObject()
      .field("file", chars(path))
      .field("patch", diff)
      .field("additions", uint64_t(summary.counts.additions))
      .field("deletions", uint64_t(summary.counts.deletions))
      .endObject();
}

// What a model wrote as `edits`.
std::vector<Change> parseChanges(kj::StringPtr json) {
  auto wrong = [](size_t number, kj::StringPtr what) {
    return Refusal{kj::str("The multiedit tool was called with invalid arguments: SchemaError(", what, "\n  at [\"edits\"][",
                           number, "]).\nPlease rewrite the input so it satisfies the expected schema.")};
  };
  auto document = parseJson(json);
  std::vector<Change> changes;
  for (auto& item : document.GetArray()) {
    auto number = changes.size();
    auto oldString = getString(item, "oldString"), newString = getString(item, "newString");
    if (oldString == nullptr || newString == nullptr) throw wrong(number, "Expected oldString and newString");
    auto all = getMember(item, "replaceAll");
    if (all != nullptr && getBool(item, "replaceAll") == nullptr) throw wrong(number, "Expected replaceAll to be a boolean");
    Change change{decodeUtf8(KJ_ASSERT_NONNULL(oldString)), decodeUtf8(KJ_ASSERT_NONNULL(newString)),
                  getBool(item, "replaceAll").orDefault(false)};
    if (change.oldString == change.newString) {
      throw Refusal{kj::str("Edit ", number + 1, ": no changes to apply: oldString and newString are identical.")};
    }
    if (change.oldString.empty() && number > 0) {
      throw Refusal{kj::str("Edit ", number + 1, ": oldString can be empty in the first edit only, which then makes the file.")};
    }
    changes.push_back(std::move(change));
  }
  if (changes.size() > MOST_EDITS) throw Refusal{kj::str("The multiedit tool takes at most ", MOST_EDITS, " edits at once.")};
  if (changes.empty()) throw Refusal{kj::str("The multiedit tool needs at least one edit.")};
  return changes;
}

// Throws Refusal for what has nothing in it that could be edited.
void checkState(const FileState& state, std::string_view path, bool create) {
  auto pathText = validUtf8(chars(path).asBytes());
  switch (state.error) {
    case StatError::NONE:
      if (create) {
        throw Refusal{kj::str(
            "oldString cannot be empty when editing an existing file. Provide the exact text "
            "to replace, or use write for an intentional full-file replacement.")};
      }
      if (state.isDirectory())
        throw Refusal{kj::str("Path is a directory, not a file: ", pathText)};
      return;
    case StatError::MISSING:
      if (!create) throw Refusal{kj::str("File ", pathText, " not found")};
      return;
    case StatError::NOT_A_DIRECTORY:
      throw Refusal{kj::str("ENOTDIR: not a directory, lstat '", pathText, "'")};
    case StatError::LOOP:
      throw Refusal{kj::str("ELOOP: too many symbolic links encountered, lstat '", pathText, "'")};
    case StatError::NAME_TOO_LONG:
      throw Refusal{kj::str("ENAMETOOLONG: name too long, lstat '", pathText, "'")};
    default:
      throw Refusal{fileSystemError(tagOf(state.error), "stat", path)};
  }
}

// One read, one question, one write. `many`: the metadata tells each change by itself, too.
kj::Promise<ToolResult> runChanges(ToolContext& context, std::string name, std::vector<Change> changes,
                                   bool many, ToolUi& ui) {
  try {
    auto path = joinToRoot(context.root, name);
    passOrRefuse(co_await askExternal(context, ui, path, false));

    auto turn = co_await FileTurn::take(context, path);
    auto shown = decodeUtf8(validUtf8(chars(path).asBytes()));
    bool create = changes.front().oldString.empty();
    Plan plan;
    std::vector<Summary> steps;
    kj::Maybe<kj::Exception> failure;
    for (unsigned plans = 0;; ++plans) {
      if (plans == MOST_PLANS) throw keepsChanging(path);
      passOrRefuse(co_await turn->askPlace(ui));
      bool remembered = turn->isRemembered;
      kj::Maybe<kj::Array<const kj::byte>> before;
      kj::Maybe<Refusal> refusal;
      try {
        checkState(turn->state, path, create);
        if (!create) {
          auto old = co_await contentOf(context, path, kj::mv(turn->state), EDIT_BYTES, "edit");
          plan = planAll(shown, old.asPtr(), changes, steps);
          before = kj::mv(old);
        } else {
          plan = planAll(shown, nullptr, changes, steps);
        }
      } catch (Refusal& r) {
        refusal = kj::mv(r);
      }
      KJ_IF_MAYBE (r, refusal) {
        if (!remembered) throw Refusal{kj::mv(*r)};
        co_await turn->look();
        continue;
      }
      passOrRefuse(co_await turn->ask(ui, plan.diff));
      bool done = true;
      try {
        done = co_await turn->replace(before.map([](auto& b) { return b.asPtr(); }), kj::mv(plan.bytes));
      } catch (kj::Exception& e) {
        failure = kj::mv(e);
      }
      if (done) break;
    }
    KJ_IF_MAYBE (e, failure) {
      co_return failedResult(writeError(*e, path));
    }
    turn = nullptr;
    Diagnosis diagnosis(context, ui);
    diagnosis.changed(path, plan.newText);
    co_await diagnosis.ask();

    JsonWriter metadata;
    metadata.beginObject();
    auto whole = summarize(plan);
    diagnosis.write(metadata);
    writeChange(metadata, path, whole);
    if (many) {
      metadata.key("results").beginArray();
      if (steps.empty()) steps.push_back(std::move(whole));
      for (auto& step : steps) {
        // What is wrong now is told above.
        metadata.beginObject().key("diagnostics").beginObject().endObject();
        writeChange(metadata, path, step);
        metadata.endObject();
      }
      metadata.endArray();
    }
    metadata.field("truncated", false).endObject();
    ToolResult result;
    result.title = toKj(shownPath(context, path));
    result.output = kj::str("Edit applied successfully.",
                            diagnosis.errorsIn(path, "this file, please fix"));
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace

kj::Promise<ToolResult> runEdit(ToolContext& context, Arguments arguments, ToolUi& ui) {
  auto name = arguments.word("filePath", PATH_BYTES);
  Change change{arguments.text("oldString"), arguments.text("newString"), arguments.flag("replaceAll")};
  if (name.empty()) throw Refusal{kj::str("filePath is required")};
  if (change.oldString == change.newString) throw Refusal{kj::str(NO_CHANGES)};
  std::vector<Change> changes;
  changes.push_back(std::move(change));
  return runChanges(context, std::move(name), std::move(changes), false, ui);
}

kj::Promise<ToolResult> runMultiEdit(ToolContext& context, Arguments arguments, ToolUi& ui) {
  auto name = arguments.word("filePath", PATH_BYTES);
  if (name.empty()) throw Refusal{kj::str("filePath is required")};
  return runChanges(context, std::move(name), parseChanges(arguments.json("edits")), true, ui);
}

}  // namespace sandbridge
