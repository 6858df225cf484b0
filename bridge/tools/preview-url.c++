// preview_url: a link by which the user's browser reaches a port of the sandbox.

#include "base/coroutine.h"
#include "tools/port-links.h"
#include "tools/process-scripts.h"
#include "tools/questions.h"

#include <algorithm>

namespace sandbridge {

kj::Promise<ToolResult> runPreviewUrl(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto number = arguments.number("port", 0);
    if (number > UINT16_MAX) throw Refusal{kj::str("There is no port ", number, ".")};
    auto port = static_cast<uint16_t>(number);
    JsonWriter asked;
    asked.beginObject().field("port", number).endObject();
    auto name = kj::str(port);
    passOrRefuse(co_await ask(ui, question("preview_url", view(name), asked.finish())));

    // Opening a link wakes and makes sandboxes; looking into this one makes sure that there is one, and what for.
    auto captured = co_await runProcessScript(context, ProcessScript::PORTS, nullptr);
    auto report = parseProcessReport(
        {reinterpret_cast<const char*>(captured.output.begin()), captured.output.size()});
    bool listens = std::find(report.ports.begin(), report.ports.end(), port) != report.ports.end();
    auto url = KJ_ASSERT_NONNULL(context.links)->linkTo(port);

    ToolResult result;
    result.title = kj::str("Port ", port);
    result.output = kj::str(url, "\n\nThe user can open this link in a browser. It leads to port ", port,
                            " of the sandbox, and is good until the sandbox ends. Anybody who has it can use it.");
    if (!listens) {
      auto others = kj::strArray(kj::arrayPtr(report.ports.data(), report.ports.size()), ", ");
      result.output = kj::str(result.output, "\nNothing listens on port ", port, " yet",
                              report.ports.empty() ? kj::str() : kj::str("; what does is on ", others), ".");
    }
    JsonWriter metadata;
    metadata.beginObject()
        .field("url", url)
        .field("port", number)
        .field("listens", listens)
        .field("truncated", false)
        .endObject();
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
