#include "base/coroutine.h"
#include "tools/diagnosis.h"
#include "tools/diff.h"
#include "tools/file-turn.h"

namespace sandbridge {

namespace {

TextView withoutBom(TextView text) {
  return startsWith(text, u"\ufeff") ? text.substr(1) : text;
}

kj::Array<const kj::byte> encode(TextView content, bool bom) {
  std::string bytes;
  if (bom || startsWith(content, u"\ufeff")) bytes = "\xef\xbb\xbf";
  appendUtf8(bytes, withoutBom(content));
  return kj::heapArray<const kj::byte>(reinterpret_cast<const kj::byte*>(bytes.data()),
                                       bytes.size());
}

}  // namespace

kj::Promise<ToolResult> runWrite(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto path = joinToRoot(context.root, arguments.word("filePath", PATH_BYTES));
    passOrRefuse(co_await askExternal(context, ui, path, false));

    auto turn = co_await FileTurn::take(context, path, DIFF_BYTES);
    auto content = arguments.text("content");
    auto shown = decodeUtf8(toKj(path));
    bool exists = false;
    kj::Maybe<kj::Exception> failure;
    for (unsigned plans = 0;; ++plans) {
      if (plans == MOST_PLANS) throw keepsChanging(path);
      passOrRefuse(co_await turn->askPlace(ui));
      exists = turn->state.exists();
      bool oversize = exists && turn->state.isRegular() && turn->state.size > DIFF_BYTES;
      bool bom = false;
      Text diff;
      kj::Maybe<kj::Array<const kj::byte>> before;
      if (oversize) {
        // The mark is lost with the old content: three bytes that are not worth a transfer of
        // megabytes.
        diff = createOversizePatch(shown, turn->state.size);
      } else {
        Text oldText;
        if (exists) {
          auto bytes =
              co_await contentOf(context, path, kj::mv(turn->state), DIFF_BYTES, "write to");
          auto file = decodeFile(bytes);
          bom = file.bom;
          oldText = std::move(file.text);
          before = kj::mv(bytes);
        }
        diff = createPatch(shown, oldText, withoutBom(content));
      }
      passOrRefuse(co_await turn->ask(ui, diff));
      bool done = true;
      try {
        auto bytes = encode(content, bom);
        if (oversize) {
          co_await context.workspace.writeFile(toKj(path), kj::mv(bytes));
        } else {
          done = co_await turn->replace(before.map([](auto& b) { return b.asPtr(); }), kj::mv(bytes));
        }
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
    diagnosis.changed(path, withoutBom(content));
    co_await diagnosis.ask();

    JsonWriter metadata;
    metadata.beginObject();
    diagnosis.write(metadata);
    metadata.field("filepath", chars(path))
        .field("exists", exists)
        .field("truncated", false)
        .endObject();
    ToolResult result;
    result.title = toKj(shownPath(context, path));
    result.output = kj::str("Wrote file successfully.", diagnosis.errorsAround(path));
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
