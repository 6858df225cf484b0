// webfetch: a page of the web, asked for by the sandbox. Unlike OpenCode's, it answers with the page as it came: whoever shows
// it to a model makes Markdown or text of HTML (plugin/src/tools/webfetch-run.ts does).

#include "base/coroutine.h"
#include "tools/fetch.h"
#include "tools/questions.h"

#include <algorithm>

namespace sandbridge {

namespace {

constexpr kj::StringPtr BROWSER =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"_kj;

kj::StringPtr acceptFor(std::string_view format) {
  if (format == "text") return "text/plain;q=1.0, text/markdown;q=0.9, text/html;q=0.8, */*;q=0.1"_kj;
  if (format == "html") {
    return "text/html;q=1.0, application/xhtml+xml;q=0.9, text/plain;q=0.8, text/markdown;q=0.7, */*;q=0.1"_kj;
  }
  return "text/markdown;q=1.0, text/x-markdown;q=0.9, text/plain;q=0.8, text/html;q=0.7, */*;q=0.1"_kj;
}

// "text/html; charset=utf-8" is of type text/html.
std::string mediaType(std::string_view contentType) {
  std::string type(contentType.substr(0, contentType.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type;
}

bool isImage(std::string_view type) {
  return type.starts_with("image/") && type != "image/svg+xml" && type != "image/vnd.fastbidsheet";
}

}  // namespace

kj::Promise<ToolResult> runWebfetch(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto url = arguments.word("url", URL_BYTES);
    auto shown = validUtf8(chars(url).asBytes());
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      throw Refusal{kj::str("URL must start with http:// or https://")};
    }
    auto format = arguments.has("format") ? arguments.string("format") : std::string("markdown");
    JsonWriter asked;
    asked.beginObject().field("url", shown).field("format", chars(format));
    if (arguments.has("timeout")) asked.field("timeout", arguments.real("timeout", 0));
    asked.endObject();
    passOrRefuse(co_await ask(ui, question("webfetch", url, asked.finish())));

    auto seconds = std::min(arguments.real("timeout", FETCH_SECONDS), FETCH_MOST_SECONDS);
    if (!(seconds > 0)) throw Refusal{kj::str("Request timed out")};
    auto deadline = context.timer.now() + static_cast<uint64_t>(seconds * 1000) * kj::MILLISECONDS;
    FetchRequest request;
    request.url = url;
    request.userAgent = BROWSER;
    request.accept = acceptFor(format);
    request.seconds = seconds;
    auto page = co_await fetchPage(context, request);
    if (page.status == 403 && page.challenged) {
      request.seconds = double((deadline - context.timer.now()) / kj::MILLISECONDS) / 1000;
      if (!(request.seconds > 0)) throw Refusal{kj::str(request.timeoutText)};
      request.userAgent = FetchRequest().userAgent;
      page = co_await fetchPage(context, request);
    }
    if (page.status < 200 || page.status >= 300) throw Refusal{statusText(request, page.status)};

    ToolResult result;
    result.title = validUtf8(kj::str(shown, " (", chars(page.contentType), ")").asBytes());
    auto type = mediaType(page.contentType);
    if (isImage(type)) {
      result.output = kj::str("Image fetched successfully");
      result.attachments = kj::heapArray<ToolResult::Attachment>(1);
      result.attachments[0].mime = validUtf8(chars(type).asBytes());
      result.attachments[0].data = kj::mv(page.body);
    } else {
      auto body = page.body.asPtr();
      if (body.size() >= 3 && body[0] == 0xef && body[1] == 0xbb && body[2] == 0xbf) body = body.slice(3, body.size());
      result.output = validUtf8(body);
    }
    JsonWriter metadata;
    metadata.beginObject()
        .field("status", page.status)
        .field("contentType", chars(page.contentType))
        .field("truncated", false)
        .endObject();
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
