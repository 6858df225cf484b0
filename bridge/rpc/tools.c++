#include "rpc/call-window.h"
#include "rpc/capability-support.h"

#include <capnp/schema.h>

namespace sandbridge {
namespace {

// Output on its way to the client: enough that a command's speed does not hang on the round trip.
constexpr size_t OUTPUT_WINDOW = 1u << 20;

// The person behind the call, at the other end of the connection.
class RemoteUi final : public ToolUi {
 public:
  RemoteUi(api::ToolUi::Client client, kj::StringPtr sessionId, bool diagnostics)
      : client(kj::mv(client)), sessionId(sessionId), diagnostics(diagnostics) {}

  kj::Promise<void> ask(Question question) override {
    auto request = client.askRequest();
    auto out = request.initQuestion();
    out.setPermission(question.permission);
    fill(out.initPatterns(question.patterns.size()), question.patterns);
    fill(out.initAlways(question.always.size()), question.always);
    out.setMetadata(question.metadata);
    return request.send().ignoreResult().catch_([](kj::Exception&& e) -> kj::Promise<void> {
      return makeError(ErrorKind::DENIED, textOf(e));
    });
  }

  kj::Promise<void> output(kj::ArrayPtr<const kj::byte> bytes) override {
    // The streaming method, called like a plain one: see CallWindow.
    auto request = client.typelessRequest(capnp::typeId<api::ToolUi>(), OUTPUT_METHOD,
                                          capnp::MessageSize{bytes.size() / sizeof(capnp::word) + 8, 0});
    request.initAs<api::ToolUi::OutputParams>().setText(bytes);
    return window.add(request.send().ignoreResult(), bytes.size());
  }

  kj::Promise<void> awaitStop() override {
    // A client that cannot say it can still cancel.
    return client.awaitStopRequest().send().ignoreResult().catch_(
        [](kj::Exception&&) -> kj::Promise<void> { return kj::NEVER_DONE; });
  }

  kj::StringPtr conversation() override { return sessionId; }
  bool wantsDiagnostics() override { return diagnostics; }

  kj::Promise<void> drain() { return window.drain(); }

 private:
  static constexpr uint16_t OUTPUT_METHOD = 1;  // its number in the schema

  api::ToolUi::Client client;
  kj::StringPtr sessionId;
  bool diagnostics;
  CallWindow window{OUTPUT_WINDOW};

  static void fill(capnp::List<capnp::Text>::Builder out, kj::ArrayPtr<const kj::String> texts) {
    for (auto i : kj::indices(texts)) out.set(i, texts[i]);
  }
};

// Nobody.
class AbsentUi final : public SilentUi {
 public:
  explicit AbsentUi(bool diagnostics) : diagnostics(diagnostics) {}
  bool wantsDiagnostics() override { return diagnostics; }

 private:
  bool diagnostics;
};

class ToolsCapability final : public api::Tools::Server {
 public:
  ToolsCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits,
                  kj::String sessionId, api::ToolOptions::Reader options)
      : shared(kj::mv(session)),
        limits(kj::mv(limits)),
        sessionId(kj::mv(sessionId)),
        diagnostics(options.getDiagnostics()) {}

  kj::Promise<void> call(CallContext context) override {
    return answer(context, [&]() { return run(context); });
  }

 private:
  kj::Own<SharedSession> shared;
  kj::Own<ConnectionLimits> limits;
  kj::String sessionId;  // of the family, the one that calls
  bool diagnostics;

  kj::Promise<void> run(CallContext context) {
    auto ticket = limits->toolCalls->take();
    auto params = context.getParams();  // stays until the call has returned
    ToolResult result;
    if (params.hasUi()) {
      RemoteUi ui(params.getUi(), sessionId, diagnostics);
      result = co_await shared->toolbox->call(params.getName(), params.getArguments(), ui);
      co_await ui.drain();
    } else {
      AbsentUi ui(diagnostics);
      result = co_await shared->toolbox->call(params.getName(), params.getArguments(), ui);
    }
    auto out = context.getResults(sizeOf(result)).initResult();
    out.setFailed(result.failed);
    out.setTitle(result.title);
    out.setOutput(result.output);
    out.setMetadata(result.metadata);
    auto attachments = out.initAttachments(result.attachments.size());
    for (auto i : kj::indices(result.attachments)) {
      auto& attachment = result.attachments[i];
      attachments[i].setMime(attachment.mime);
      attachments[i].setData(attachment.data);
      attachments[i].setFilename(attachment.filename);
    }
  }

  static capnp::MessageSize sizeOf(const ToolResult& result) {
    uint64_t bytes = 256 + result.title.size() + result.output.size() + result.metadata.size();
    for (auto& attachment : result.attachments) {
      bytes += 64 + attachment.mime.size() + attachment.data.size() + attachment.filename.size();
    }
    return {bytes / sizeof(capnp::word) + 8, 0};
  }
};

}  // namespace

api::Tools::Client newToolsCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits,
                                      kj::String sessionId, api::ToolOptions::Reader options) {
  return kj::heap<ToolsCapability>(kj::mv(session), kj::mv(limits), kj::mv(sessionId), options);
}

}  // namespace sandbridge
