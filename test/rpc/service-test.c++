// The bridge's HTTP port: who gets in, and what hostile frames do.

#include "rpc/fakes.h"

#include <capnp/serialize.h>
#include <catch2/catch.hpp>

namespace sandbridge::test {
namespace {

struct Answer {
  unsigned status;
  kj::String head;
  kj::String body;
};

// One request, written as it stands; the answer to the end of its body by Content-Length, or of the head.
Answer ask(TestBridge& bridge, kj::StringPtr request) {
  auto& ws = bridge.io.waitScope;
  auto stream = bridge.io.provider->getNetwork()
      .parseAddress(kj::str("127.0.0.1:", bridge.port->getPort())).wait(ws)->connect().wait(ws);
  stream->write(request.begin(), request.size()).wait(ws);
  kj::Vector<char> text;
  char buffer[4096];
  for (;;) {
    auto n = stream->tryRead(buffer, 1, sizeof(buffer)).wait(ws);
    text.addAll(buffer, buffer + n);
    auto whole = kj::heapString(text.begin(), text.size());
    auto end = strstr(whole.cStr(), "\r\n\r\n");
    if (n > 0 && end == nullptr) continue;
    REQUIRE(end != nullptr);
    auto headSize = end + 4 - whole.cStr();
    auto length = strcasestr(whole.cStr(), "content-length:");
    if (n > 0 && length != nullptr && length < end &&
        whole.size() < headSize + strtoull(length + 15, nullptr, 10)) {
      continue;
    }
    return {unsigned(atoi(whole.cStr() + 9)), kj::heapString(whole.begin(), headSize),
            kj::heapString(whole.begin() + headSize, whole.size() - headSize)};
  }
}

constexpr kj::StringPtr UPGRADE =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"_kj;

Answer upgrade(TestBridge& bridge, kj::StringPtr headers) {
  return ask(bridge, kj::str("GET /rpc HTTP/1.1\r\nHost: x\r\n", UPGRADE, headers, "\r\n"));
}

TEST_CASE("the right token opens a WebSocket; a wrong, missing, doubled or shortened one is 401") {
  TestBridge bridge;
  auto good = kj::str("Authorization: Bearer ", TOKEN, "\r\n");
  CHECK(upgrade(bridge, good).status == 101);
  CHECK(upgrade(bridge, kj::str("authorization: bearer ", TOKEN, "\r\n")).status == 101);
  for (auto& bad : {kj::str(""), kj::str("Authorization: Bearer \r\n"), kj::str("Authorization: Bearer x\r\n"),
                    kj::str("Authorization: Bearer ", TOKEN, "x\r\n"),
                    kj::str("Authorization: Bearer ", TOKEN.slice(1), "\r\n"),
                    kj::str("Authorization: Basic ", TOKEN, "\r\n"), kj::str("Authorization: ", TOKEN, "\r\n"),
                    kj::str(good, good)}) {
    auto answer = upgrade(bridge, bad);
    CHECK(answer.status == 401);
    CHECK(strstr(answer.body.cStr(), TOKEN.cStr()) == nullptr);
    CHECK(strstr(answer.body.cStr(), "token file") != nullptr);
  }
}

TEST_CASE("a browser's Origin is refused unless it is allowed") {
  TestBridge bridge;
  auto token = kj::str("Authorization: Bearer ", TOKEN, "\r\n");
  CHECK(upgrade(bridge, kj::str(token, "Origin: https://evil.example\r\n")).status == 403);
  CHECK(upgrade(bridge, kj::str(token, "Origin: null\r\n")).status == 403);
  CHECK(upgrade(bridge, kj::str(token, "Origin: https://good.example\r\nOrigin: https://evil.example\r\n")).status == 403);
  CHECK(upgrade(bridge, kj::str(token, "Origin: https://good.example.evil\r\n")).status == 403);
  CHECK(upgrade(bridge, kj::str(token, "Origin: https://good.example\r\n")).status == 101);
  CHECK(upgrade(bridge, kj::str("Origin: https://good.example\r\n")).status == 401);
}

TEST_CASE("a plain request for /rpc is 426 and says what to do") {
  TestBridge bridge;
  auto answer = ask(bridge, "GET /rpc HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(answer.status == 426);
  CHECK(strstr(answer.body.cStr(), "WebSocket") != nullptr);
}

TEST_CASE("health needs no token, and other paths are 404 and name --opencode") {
  TestBridge bridge;
  auto health = ask(bridge, "GET /healthz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(health.status == 200);
  CHECK(health.body == "{\"status\":\"ok\"}\n");
  CHECK(strcasestr(health.head.cStr(), "application/json") != nullptr);
  CHECK(ask(bridge, "DELETE /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 405);
  for (kj::StringPtr path : {"/"_kj, "/rpc/"_kj, "/rpcx"_kj, "/healthz/x"_kj, "//rpc"_kj}) {
    auto answer = ask(bridge, kj::str("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(answer.status == 404);
    CHECK(strstr(answer.body.cStr(), "--opencode") != nullptr);
  }
}

TEST_CASE("the client says what is wrong in one sentence with the next step") {
  TestBridge bridge;
  auto& network = bridge.io.provider->getNetwork();
  auto& timer = bridge.io.provider->getTimer();
  auto connecting = [&](kj::StringPtr url, kj::StringPtr token) {
    return failureOf(connectRpc(network, timer, kj::str(url), kj::str(token)).ignoreResult(),
                     bridge.io.waitScope);
  };
  auto refused = connecting(bridge.url(), "wrong-token-wrong-token");
  CHECK(refused.kind == ErrorKind::DENIED);
  CHECK(strstr(refused.text.cStr(), "SANDBRIDGE_TOKEN") != nullptr);
  CHECK(strstr(refused.text.cStr(), "wrong-token") == nullptr);

  auto wrongPath = kj::str("ws://127.0.0.1:", bridge.port->getPort(), "/else");
  auto noBridge = connecting(wrongPath, TOKEN);
  CHECK(noBridge.kind == ErrorKind::FAILED);
  CHECK(strstr(noBridge.text.cStr(), "answered 404") != nullptr);

  auto port = network.parseAddress("127.0.0.1:0").wait(bridge.io.waitScope)->listen();
  auto closed = kj::str("ws://127.0.0.1:", port->getPort(), "/rpc");
  port = nullptr;
  auto down = connecting(closed, TOKEN);
  CHECK(down.kind == ErrorKind::UNAVAILABLE);
  CHECK(strstr(down.text.cStr(), kj::str("no bridge at ", closed, " (Connection refused)").cStr()) != nullptr);
  CHECK(strstr(down.text.cStr(), "`sandbridge serve`") != nullptr);

  for (kj::StringPtr bad : {"http://127.0.0.1:1/rpc"_kj, "ws://"_kj, "nonsense"_kj, "ws://user:pw@x/rpc"_kj}) {
    CHECK(connecting(bad, TOKEN).kind == ErrorKind::INVALID_ARGUMENT);
  }
  CHECK(connecting(bridge.url(), "a\r\nb").kind == ErrorKind::INVALID_ARGUMENT);
}

// A peer that speaks WebSocket and then whatever the test wants.
struct RawPeer {
  struct Zeros final : public kj::EntropySource {
    void generate(kj::ArrayPtr<kj::byte> buffer) override { memset(buffer.begin(), 0, buffer.size()); }
  } zeros;
  kj::HttpHeaderTable::Builder builder;
  kj::HttpHeaderId authorization = builder.add("Authorization");
  kj::Own<kj::HttpHeaderTable> table = builder.build();
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<kj::HttpClient> http;
  kj::Own<kj::WebSocket> socket;

  explicit RawPeer(TestBridge& bridge) {
    auto& ws = bridge.io.waitScope;
    stream = bridge.io.provider->getNetwork()
        .parseAddress(kj::str("127.0.0.1:", bridge.port->getPort())).wait(ws)->connect().wait(ws);
    kj::HttpClientSettings settings;
    settings.entropySource = zeros;
    http = kj::newHttpClient(*table, *stream, settings);
    kj::HttpHeaders headers(*table);
    headers.set(kj::HttpHeaderId::HOST, "x");
    headers.set(authorization, kj::str("Bearer ", TOKEN));
    auto response = http->openWebSocket("/rpc", headers).wait(ws);
    REQUIRE(response.statusCode == 101);
    socket = kj::mv(response.webSocketOrBody.get<kj::Own<kj::WebSocket>>());
  }

  // Reads until the bridge ends the connection; what it said until then.
  kj::String readToEnd(TestBridge& bridge) {
    kj::Vector<char> text;
    for (;;) {
      kj::Maybe<kj::WebSocket::Message> message;
      auto failure = kj::runCatchingExceptions([&]() {
        message = bridge.io.provider->getTimer().timeoutAfter(10 * kj::SECONDS, socket->receive())
            .wait(bridge.io.waitScope);
      });
      KJ_IF_MAYBE(e, failure) {
        REQUIRE(e->getType() != kj::Exception::Type::OVERLOADED);  // the timeout
        return kj::heapString(text.begin(), text.size());
      }
      KJ_SWITCH_ONEOF(KJ_ASSERT_NONNULL(message)) {
        KJ_CASE_ONEOF(bytes, kj::Array<kj::byte>) { text.addAll(bytes.asChars()); }
        KJ_CASE_ONEOF(line, kj::String) { text.addAll(line); }
        KJ_CASE_ONEOF(close, kj::WebSocket::Close) {
          return kj::heapString(text.begin(), text.size());
        }
      }
    }
  }
};

template <typename... Words>
kj::Array<kj::byte> words(Words... values) {
  uint32_t list[] = {uint32_t(values)...};
  return kj::heapArray<kj::byte>(kj::arrayPtr(list, sizeof...(values)).asBytes());
}

TEST_CASE("hostile frames end their connection, tell nothing of our sources, and leave the others alone") {
  TestBridge bridge;
  auto bystander = bridge.connect();
  // Held across all of it.
  auto session = openSession(*bystander, "s");
  kj::Vector<kj::Array<kj::byte>> frames;
  frames.add(kj::heapArray<kj::byte>(0));
  frames.add(bytesOf("abc"));                        // ragged
  frames.add(bytesOf("0123456789abcdef"));           // 0x33323130 + 1 segments
  frames.add(words(0xffffffffu, 0, 0, 0));           // 2^32 segments
  frames.add(words(511, 0, 0, 0));                   // 512 segments, cut
  frames.add(words(0, 0xffffffffu));                 // a segment of 32 GiB
  frames.add(words(0, 1, 0xffffffffu, 0xffffffffu)); // a root pointer to nowhere
  frames.add(words(0, 2, 0, 1, 99, 0));              // an unknown kind of message
  auto noise = kj::heapArray<kj::byte>(8u << 10);
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = (i * 2654435761u) >> 11;
  frames.add(kj::mv(noise));
  for (auto& frame : frames) {
    RawPeer peer(bridge);
    peer.socket->send(frame.asPtr()).wait(bridge.io.waitScope);
    if (frame.size() == 24) continue;  // answered with Unimplemented; checked below
    auto said = peer.readToEnd(bridge);
    for (kj::StringPtr ours : {".c++"_kj, ".h:"_kj, "/usr/"_kj, "bridge/"_kj}) {
      CHECK(memmem(said.begin(), said.size(), ours.begin(), ours.size()) == nullptr);
    }
    bystander->api().pingRequest().send().wait(bridge.io.waitScope);
  }
  {
    RawPeer peer(bridge);
    peer.socket->send("text"_kj).wait(bridge.io.waitScope);
    peer.readToEnd(bridge);
  }
  session.infoRequest().send().wait(bridge.io.waitScope);
}

TEST_CASE("a frame beyond 32 MiB ends its connection and no other") {
  TestBridge bridge;
  auto bystander = bridge.connect();
  RawPeer peer(bridge);
  auto huge = kj::heapArray<kj::byte>((32u << 20) + 8);
  memset(huge.begin(), 0, huge.size());
  auto sending = peer.socket->send(huge.asPtr()).eagerlyEvaluate([](kj::Exception&&) {});
  peer.readToEnd(bridge);
  bystander->api().pingRequest().send().wait(bridge.io.waitScope);
}

TEST_CASE("a call whose arguments nearly fill a frame works") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto text = kj::heapString(16u << 20);
  memset(text.begin(), 'x', text.size());
  auto request = openSession(*client, "s").toolsRequest().send().getTools().callRequest();
  request.setName("write");
  request.setArguments(text);
  auto response = request.send().wait(bridge.io.waitScope);
  CHECK(response.getResult().getOutput().size() == text.size());
}

TEST_CASE("a peer that asks and never reads is not listened to for ever") {
  TestBridge bridge;
  auto bystander = bridge.connect();
  unsigned calls = 0;
  auto big = kj::heapString(1u << 20);
  memset(big.begin(), 'x', big.size());
  bridge.handler = [&](kj::StringPtr, kj::StringPtr, ToolUi&) -> kj::Promise<ToolResult> {
    ++calls;
    ToolResult result;
    result.output = kj::str(big);
    return kj::mv(result);
  };
  // A real client's frames, sent by a peer that does not read.
  struct Recorder final : public capnp::MessageStream {
    kj::WebSocket& socket;
    explicit Recorder(kj::WebSocket& socket): socket(socket) {}
    kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
        kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions, kj::ArrayPtr<capnp::word>) override {
      return kj::NEVER_DONE;
    }
    kj::Promise<void> writeMessage(kj::ArrayPtr<const int>,
        kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override {
      auto flat = capnp::messageToFlatArray(segments);
      auto bytes = flat.asBytes();
      return socket.send(bytes).attach(kj::mv(flat));
    }
    kj::Promise<void> writeMessages(
        kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override {
      if (messages.size() == 0) return kj::READY_NOW;
      return writeMessage(nullptr, messages[0]).then([this, messages]() mutable {
        return writeMessages(messages.slice(1, messages.size()));
      });
    }
    kj::Maybe<int> getSendBufferSize() override { return nullptr; }
    kj::Promise<void> end() override { return kj::READY_NOW; }
  };
  RawPeer peer(bridge);
  Recorder recorder(*peer.socket);
  capnp::TwoPartyVatNetwork network(recorder, capnp::rpc::twoparty::Side::CLIENT);
  auto rpc = capnp::makeRpcClient(network);
  capnp::MallocMessageBuilder message;
  message.getRoot<capnp::rpc::twoparty::VatId>().setSide(capnp::rpc::twoparty::Side::SERVER);
  auto api = rpc.bootstrap(message.getRoot<capnp::rpc::twoparty::VatId>()).castAs<api::SandboxRpcApi>();
  auto open = api.sessionRequest();
  open.initKey().setId("s");
  auto tools = open.send().getSession().toolsRequest().send().getTools();
  kj::Vector<kj::Promise<void>> pending;
  for (unsigned i = 0; i < 250; ++i) {
    auto request = tools.callRequest();
    request.setName("read");
    pending.add(request.send().ignoreResult().eagerlyEvaluate([](kj::Exception&&) {}));
  }
  waitUntil(bridge.io, [&]() { return calls >= 60; });
  for (unsigned i = 0; i < 50; ++i) bridge.io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(bridge.io.waitScope);
  CHECK(calls < 100);
  bystander->api().pingRequest().send().wait(bridge.io.waitScope);
}

}  // namespace
}  // namespace sandbridge::test
