#include "base/coroutine.h"
#include "tools/diff.h"
#include "tools/look.h"

namespace sandbridge {

namespace {

TextView withoutBom(TextView text) {
  return startsWith(text, u"\ufeff") ? text.substr(1) : text;
}

}  // namespace

kj::Promise<ToolResult> runWrite(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto path = joinToRoot(context.root, arguments.word("filePath", PATH_BYTES));
    passOrRefuse(co_await askExternal(context, ui, path, false));

    auto states = co_await lookAt(context, {path}, DIFF_BYTES);
    auto& old = states[0];
    bool exists = old.exists();
    bool bom = false;
    Text oldText, diff, shown = decodeUtf8(toKj(path));
    auto content = arguments.text("content");
    if (exists && old.size > DIFF_BYTES && old.isRegular()) {
      diff = createOversizePatch(shown, old.size);
      // The mark is lost with the old content: three bytes that are not worth a transfer of
      // megabytes.
    } else {
      if (exists) {
        auto bytes = co_await contentOf(context, path, kj::mv(old), DIFF_BYTES, "write to");
        auto file = decodeFile(bytes);
        bom = file.bom;
        oldText = std::move(file.text);
      }
      diff = createPatch(shown, oldText, withoutBom(content));
    }
    passOrRefuse(co_await ask(ui, editQuestion(context, path, diff)));

    std::string bytes;
    if (bom || startsWith(content, u"\ufeff")) bytes = "\xef\xbb\xbf";
    appendUtf8(bytes, withoutBom(content));
    kj::Maybe<kj::Exception> failure;
    try {
      co_await context.workspace.writeFile(
          toKj(path), kj::heapArray<const kj::byte>(reinterpret_cast<const kj::byte*>(bytes.data()),
                                                    bytes.size()));
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      co_return failedResult(writeError(*e, path));
    }

    JsonWriter metadata;
    metadata.beginObject()
        .key("diagnostics")
        .beginObject()
        .endObject()
        .field("filepath", chars(path))
        .field("exists", exists)
        .field("truncated", false)
        .endObject();
    ToolResult result;
    result.title = toKj(shownPath(context, path));
    result.output = kj::str("Wrote file successfully.");
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
