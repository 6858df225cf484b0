#include "base/coroutine.h"
#include "tools/diff.h"
#include "tools/look.h"
#include "tools/replace.h"

namespace sandbridge {

namespace {

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
  auto splices = findReplacements(file.text, convert(oldString), convert(newString), all);
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

}  // namespace

kj::Promise<ToolResult> runEdit(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto name = arguments.word("filePath", PATH_BYTES);
    auto oldString = arguments.text("oldString"), newString = arguments.text("newString");
    if (name.empty()) throw Refusal{kj::str("filePath is required")};
    if (oldString == newString) {
      throw Refusal{kj::str("No changes to apply: oldString and newString are identical.")};
    }
    auto path = joinToRoot(context.root, name);
    auto pathText = validUtf8(chars(path).asBytes());
    passOrRefuse(co_await askExternal(context, ui, path, false));

    // Edits of one file take turns. Which file it is shows only after a look; so the turn is taken
    // on the name first, then, where the name is a link, on the file itself, and then the file is
    // looked at again.
    auto lock = co_await context.locks.acquire(resolvePath(context.root, path));
    auto states = co_await lookAt(context, {path});
    kj::Maybe<kj::Own<PathLocks::Lock>> realLock;
    if (states[0].exists() && states[0].realPath != resolvePath(context.root, path)) {
      realLock = co_await context.locks.acquire(states[0].realPath);
      states = co_await lookAt(context, {path});
    }
    auto& state = states[0];
    if (state.error != StatError::NONE && state.error != StatError::MISSING) {
      if (state.error == StatError::NOT_A_DIRECTORY) {
        throw Refusal{kj::str("ENOTDIR: not a directory, lstat '", pathText, "'")};
      }
      if (state.error == StatError::LOOP) {
        throw Refusal{
            kj::str("ELOOP: too many symbolic links encountered, lstat '", pathText, "'")};
      }
      throw Refusal{fileSystemError(tagOf(state.error), "stat", path)};
    }

    auto shown = decodeUtf8(pathText);
    Plan plan;
    if (oldString.empty()) {
      if (state.exists()) {
        throw Refusal{kj::str(
            "oldString cannot be empty when editing an existing file. Provide the exact text "
            "to replace, or use write for an intentional full-file replacement.")};
      }
      plan = planCreation(shown, newString);
    } else {
      if (!state.exists()) throw Refusal{kj::str("File ", pathText, " not found")};
      if (state.isDirectory())
        throw Refusal{kj::str("Path is a directory, not a file: ", pathText)};
      auto old = co_await contentOf(context, path, kj::mv(state), EDIT_BYTES, "edit");
      plan = planReplacement(shown, old, oldString, newString, arguments.flag("replaceAll"));
    }
    passOrRefuse(co_await ask(ui, editQuestion(context, path, plan.diff)));

    kj::Maybe<kj::Exception> failure;
    try {
      co_await context.workspace.writeFile(toKj(path), kj::mv(plan.bytes));
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      co_return failedResult(writeError(*e, path));
    }

    auto counts = countChanges(plan.oldText, plan.newText);
    auto diff = encodeUtf8(plan.diff);
    JsonWriter metadata;
    metadata.beginObject()
        .key("diagnostics")
        .beginObject()
        .endObject()
        .field("diff", diff)
        .key("filediff")
        .beginObject()
        .field("file", chars(path))
        .field("patch", diff)
        .field("additions", uint64_t(counts.additions))
        .field("deletions", uint64_t(counts.deletions))
        .endObject()
        .field("truncated", false)
        .endObject();
    ToolResult result;
    result.title = toKj(shownPath(context, path));
    result.output = kj::str("Edit applied successfully.");
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
