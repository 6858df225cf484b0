// `sandbridge tool`: one call of one of OpenCode's tools, for scripts.

#include "command-client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <kj/debug.h>
#include <kj/encoding.h>
#include <kj/io.h>
#include <string.h>
#include <unistd.h>

namespace sandbridge {
namespace {

class ToolCommand {
 public:
  explicit ToolCommand(CommandLine& commandLine): commandLine(commandLine) {}

  kj::MainFunc build() {
    kj::MainBuilder builder(commandLine, versionText(),
        "Calls one tool (bash, read, write, edit, apply_patch, glob, grep) in the session's sandbox and prints "
        "its result as one JSON object: {\"title\", \"output\", \"metadata\", \"attachments\"}. A tool that fails "
        "prints {\"error\"} and exits with 1. Nobody is asked for permission.",
        CLIENT_ENVIRONMENT);
    session.addTo(builder);
    return builder
        .addOption({"no-diagnostics"}, [this]() -> kj::MainBuilder::Validity {
          diagnostics = false;
          return true;
        }, "Ask no language server in the sandbox about the files that the tool changes.")
        .expectArg("<name>", [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          name = value;
          return true;
        })
        .expectOptionalArg("<json>", [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          arguments = value;
          return true;
        })
        .callAfterParsing([this]() -> kj::MainBuilder::Validity {
          KJ_IF_MAYBE(problem, session.problem()) { return kj::mv(*problem); }
          kj::String text;
          if (arguments == "-") {
            KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() {
              text = kj::FdInputStream(STDIN_FILENO).readAllText(MAX_ARGUMENTS);
            })) {
              return kj::str("cannot read the arguments from standard input: ", textOf(*e));
            }
          } else {
            text = kj::str(arguments);
          }
          runClient(commandLine, [&](kj::AsyncIoContext& io) {
            return call(io, kj::mv(text)).exclusiveJoin(endedBySignal(io));
          });
          return true;
        })
        .build();
  }

 private:
  static constexpr size_t MAX_ARGUMENTS = 16u << 20;  // what goes into one message

  CommandLine& commandLine;
  SessionOptions session;
  kj::StringPtr name;
  kj::StringPtr arguments = "{}";
  bool diagnostics = true;

  kj::Promise<int> call(kj::AsyncIoContext& io, kj::String text) {
    auto client = co_await connectBridge(io);
    auto tools = session.open(*client).toolsRequest();
    tools.initOptions().setDiagnostics(diagnostics);
    auto request = tools.send().getTools().callRequest();
    request.setName(name);
    request.setArguments(text);
    auto response = co_await request.send();
    auto result = response.getResult();
    JsonWriter json;
    json.beginObject();
    if (result.getFailed()) {
      json.field("error", asText(result.getOutput()));
    } else {
      json.field("title", asText(result.getTitle())).field("output", asText(result.getOutput()));
      auto metadata = parseJson(asText(result.getMetadata()));
      json.field("metadata", static_cast<const JsonValue&>(metadata));
      json.key("attachments").beginArray();
      for (auto attachment : result.getAttachments()) {
        json.beginObject().field("mime", asText(attachment.getMime()));
        json.field("url", kj::str("data:", attachment.getMime(), ";base64,",
                                  kj::encodeBase64(attachment.getData())));
        if (attachment.getFilename().size() > 0) json.field("filename", asText(attachment.getFilename()));
        json.endObject();
      }
      json.endArray();
    }
    json.endObject();
    printOut(kj::str(json.finish(), "\n"));
    co_return result.getFailed() ? EXIT_FAILED : EXIT_OK;
  }

  static kj::ArrayPtr<const char> asText(capnp::Text::Reader text) { return text.asArray(); }
};

}  // namespace

kj::MainFunc newToolCommand(CommandLine& commandLine) {
  return commandLine.arena.allocate<ToolCommand>(commandLine).build();
}

}  // namespace sandbridge
