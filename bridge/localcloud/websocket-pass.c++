#include "localcloud/websocket-pass.h"

#include "base/coroutine.h"
#include "localcloud/daemon-connection.h"
#include "net/websocket-relay.h"

#include <kj/debug.h>

#include <string.h>

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration HANDSHAKE_DEADLINE = 60 * kj::SECONDS;  // as for the answer to any request
constexpr uint64_t MAX_REFUSAL_BYTES = 64 << 10;
constexpr uint16_t GOING_AWAY = 1001;

// The daemon is reached over a socket of its own with nobody in between, where masks protect nothing. Without them messages
// need not be copied.
class NoEntropy final : public kj::EntropySource {
 public:
  void generate(kj::ArrayPtr<kj::byte> buffer) override { memset(buffer.begin(), 0, buffer.size()); }
};

}  // namespace

WebSocketPass::WebSocketPass(kj::HttpHeaderTable::Builder& headers, kj::Timer& timer): timer(timer) {
  for (auto name: {"Traceparent", "User-Agent", "X-PTY-Token"}) passed.add(headers.add(name));
}

kj::Promise<void> WebSocketPass::serve(const kj::HttpHeaderTable& table, kj::Own<Sandbox> sandbox,
                                       kj::StringPtr url, const kj::HttpHeaders& headers,
                                       kj::HttpService::Response& response) {
  kj::HttpHeaders kept(table);
  kept.set(kj::HttpHeaderId::HOST, "sandbox");
  for (auto id: passed) {
    KJ_IF_MAYBE(value, headers.get(id)) kept.set(id, kj::heapString(*value));
  }
  return run(table, kj::mv(sandbox), kj::heapString(url), kj::mv(kept), response);
}

kj::Promise<void> WebSocketPass::run(const kj::HttpHeaderTable& table, kj::Own<Sandbox> sandbox, kj::String url,
                                     kj::HttpHeaders headers, kj::HttpService::Response& response) {
  auto unreachable = co_await whenReachable(*sandbox, true);
  KJ_IF_MAYBE(refusal, unreachable) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }

  NoEntropy entropy;
  kj::HttpClientSettings settings;
  settings.entropySource = entropy;
  kj::Own<kj::AsyncIoStream> connection;
  kj::Own<kj::HttpClient> client;
  kj::Maybe<kj::HttpClient::WebSocketResponse> opened;
  kj::Maybe<kj::String> refused;
  kj::Maybe<kj::Exception> failure;
  try {
    auto& box = KJ_ASSERT_NONNULL(sandbox->runningBox());
    connection = co_await sandbox->streams.wrap(connectToDaemon(box, timer));
    client = kj::newHttpClient(table, *connection, settings);
    auto& answer = opened.emplace(co_await sandbox->streams.wrap(open(*client, url, headers)));
    sandbox->touch();
    if (answer.webSocketOrBody.is<kj::Own<kj::AsyncInputStream>>()) {
      auto& body = answer.webSocketOrBody.get<kj::Own<kj::AsyncInputStream>>();
      refused = co_await sandbox->streams.wrap(body->readAllText(MAX_REFUSAL_BYTES));
    }
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  KJ_IF_MAYBE(e, failure) {
    co_await replyError(response, table, refusalOf(*e));
    co_return;
  }

  auto& answer = KJ_ASSERT_NONNULL(opened);
  KJ_IF_MAYBE(text, refused) {
    kj::HttpHeaders answerHeaders(table);
    KJ_IF_MAYBE(type, answer.headers->get(kj::HttpHeaderId::CONTENT_TYPE)) {
      answerHeaders.set(kj::HttpHeaderId::CONTENT_TYPE, kj::heapString(*type));
    }
    auto stream = response.send(answer.statusCode, kj::heapString(answer.statusText), answerHeaders, text->size());
    co_await stream->write(text->begin(), text->size());
    co_return;
  }

  WebSocketRelay relay(response.acceptWebSocket(kj::HttpHeaders(table)),
                       kj::mv(answer.webSocketOrBody.get<kj::Own<kj::WebSocket>>()), timer,
                       [&sandbox = *sandbox]() { sandbox.touch(); });
  try {
    co_await sandbox->streams.wrap(relay.run());
  } catch (kj::Exception& e) {
    failure = kj::mv(e);  // cut: by what, the reason says
  }
  KJ_IF_MAYBE(e, failure) co_await relay.close(GOING_AWAY, e->getDescription());
}

kj::Promise<kj::HttpClient::WebSocketResponse> WebSocketPass::open(
    kj::HttpClient& client, kj::StringPtr url, const kj::HttpHeaders& headers) {
  auto late = timer.afterDelay(HANDSHAKE_DEADLINE).then([]() -> kj::Promise<kj::HttpClient::WebSocketResponse> {
    return proxyError(504, "READ_TIMEOUT", "the sandbox does not answer");
  });
  return client.openWebSocket(url, headers).exclusiveJoin(kj::mv(late));
}

}  // namespace sandbridge::localcloud
