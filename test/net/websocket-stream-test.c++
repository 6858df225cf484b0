#include "net/websocket-stream.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "net/http-server.h"

#include <capnp/message.h>
#include <capnp/persistent.capnp.h>
#include <capnp/rpc-twoparty.h>
#include <capnp/serialize.h>
#include <catch2/catch.hpp>

namespace sandbridge {
namespace {

constexpr size_t MAX_FRAME = 1 << 20;
using Service = capnp::Persistent<capnp::Text, capnp::Text>;

bool contains(kj::StringPtr text, const char* part) {
  return std::string(text.cStr()).find(part) != std::string::npos;
}

// Two ends of a WebSocket in memory; the stream reads what `peer` sends.
struct Pair {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::WebSocketPipe pipe = kj::newWebSocketPipe();
  kj::WebSocket& peer = *pipe.ends[1];
  kj::Own<capnp::MessageStream> stream = newWebSocketStream(*pipe.ends[0], MAX_FRAME, 1 << 20);

  kj::Maybe<capnp::MessageReaderAndFds> read() {
    return stream->tryReadMessage(nullptr, capnp::ReaderOptions(), nullptr).wait(io.waitScope);
  }
  kj::String readText() {
    auto message = KJ_ASSERT_NONNULL(read());
    return kj::str(message.reader->getRoot<capnp::Text>());
  }
  kj::Exception refusal(kj::ArrayPtr<const kj::byte> frame) {
    auto sending = peer.send(frame).eagerlyEvaluate([](kj::Exception&&) {});
    auto e = kj::runCatchingExceptions([&]() { read(); });
    REQUIRE(e != nullptr);
    CHECK(KJ_ASSERT_NONNULL(e).getDescription().startsWith("invalidArgument: malformed RPC frame: "));
    // And nothing more is read.
    CHECK(read() == nullptr);
    return kj::mv(KJ_ASSERT_NONNULL(e));
  }
};

kj::Array<capnp::word> textMessage(kj::StringPtr text) {
  capnp::MallocMessageBuilder builder;
  builder.setRoot(capnp::Text::Reader(text.begin(), text.size()));
  return capnp::messageToFlatArray(builder);
}

kj::Array<kj::byte> join(kj::ArrayPtr<const kj::Array<capnp::word>> messages) {
  kj::Vector<kj::byte> all;
  for (auto& m : messages) all.addAll(m.asBytes());
  return all.releaseAsArray();
}

TEST_CASE_METHOD(Pair, "a frame may hold several messages, each read by itself and usable after the next") {
  kj::Array<capnp::word> messages[] = {textMessage("one"), textMessage("two"), textMessage("three")};
  auto frame = join(messages);
  auto sending = peer.send(frame.asPtr()).eagerlyEvaluate(nullptr);
  auto first = KJ_ASSERT_NONNULL(read());
  CHECK(readText() == "two");
  CHECK(readText() == "three");
  CHECK(first.reader->getRoot<capnp::Text>() == "one");
}

kj::Array<kj::byte> receiveFrame(kj::WebSocket& peer, kj::WaitScope& waitScope) {
  auto frame = peer.receive().wait(waitScope);
  return kj::mv(frame.get<kj::Array<kj::byte>>());
}

kj::Vector<kj::String> textsOf(kj::ArrayPtr<const kj::byte> frame) {
  auto words = kj::heapArray<capnp::word>(frame.size() / 8);
  memcpy(words.begin(), frame.begin(), frame.size());
  kj::Vector<kj::String> texts;
  kj::ArrayPtr<const capnp::word> rest = words;
  while (rest.size() > 0) {
    capnp::FlatArrayMessageReader reader(rest);
    texts.add(kj::str(reader.getRoot<capnp::Text>()));
    rest = kj::arrayPtr(reader.getEnd(), rest.end());
  }
  return texts;
}

kj::Promise<void> writeText(capnp::MessageStream& stream, kj::StringPtr text) {
  capnp::MallocMessageBuilder builder;
  builder.setRoot(capnp::Text::Reader(text.begin(), text.size()));
  return stream.writeMessage(nullptr, builder.getSegmentsForOutput());
}

TEST_CASE_METHOD(Pair, "what is written in one turn goes out in one frame, in order, those of writeMessages() too") {
  kj::Vector<kj::Own<capnp::MallocMessageBuilder>> builders;
  kj::Vector<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages;
  for (int i = 0; i < 20; i++) {
    auto builder = kj::heap<capnp::MallocMessageBuilder>();
    builder->setRoot(capnp::Text::Reader(kj::str(i)));
    messages.add(builder->getSegmentsForOutput());
    builders.add(kj::mv(builder));
  }
  stream->writeMessages(messages).wait(io.waitScope);
  builders.clear();
  writeText(*stream, "20").wait(io.waitScope);
  auto texts = textsOf(receiveFrame(peer, io.waitScope));
  REQUIRE(texts.size() == 21);
  for (auto i : kj::indices(texts)) CHECK(texts[i] == kj::str(i));
}

TEST_CASE_METHOD(Pair, "a long message has a frame of its own, in its place between short ones") {
  auto longText = kj::heapString(100 * 1024);
  memset(longText.begin(), 'x', longText.size());
  auto writing = writeText(*stream, "before");
  auto writingLong = writeText(*stream, longText);
  auto writingAfter = writeText(*stream, "after").eagerlyEvaluate(nullptr);
  kj::StringPtr expected[] = {"before", longText, "after"};
  for (auto text : expected) {
    auto texts = textsOf(receiveFrame(peer, io.waitScope));
    REQUIRE(texts.size() == 1);
    CHECK(texts[0] == text);
  }
  writingAfter.wait(io.waitScope);
}

TEST_CASE_METHOD(Pair, "a writer waits while much of what was written is unsent") {
  auto text = kj::heapString(60 * 1024);
  memset(text.begin(), 'x', text.size());
  bool done = false;
  auto writing = writeText(*stream, text).then([&]() { return writeText(*stream, text); })
      .then([&]() { return writeText(*stream, text); })
      .then([&]() { done = true; }).eagerlyEvaluate(nullptr);
  io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS).wait(io.waitScope);
  CHECK(!done);
  for (int i = 0; i < 3; i++) CHECK(textsOf(receiveFrame(peer, io.waitScope)).size() == 1);
  writing.wait(io.waitScope);
  CHECK(done);
}

TEST_CASE_METHOD(Pair, "what was written before the end is sent before it") {
  writeText(*stream, "last words").wait(io.waitScope);
  auto ending = stream->end().eagerlyEvaluate(nullptr);
  CHECK(textsOf(receiveFrame(peer, io.waitScope))[0] == "last words");
  auto message = peer.receive().wait(io.waitScope);
  CHECK(message.is<kj::WebSocket::Close>());
}

TEST_CASE_METHOD(Pair, "after a write that failed, each later one fails") {
  auto gone = kj::mv(pipe.ends[1]);
  gone = nullptr;
  writeText(*stream, "lost").wait(io.waitScope);
  io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
  CHECK_THROWS(writeText(*stream, "lost, too").wait(io.waitScope));
}

TEST_CASE_METHOD(Pair, "a close frame and a lost connection are the end") {
  SECTION("close") {
    auto closing = peer.close(1001, "going").eagerlyEvaluate(nullptr);
    CHECK(read() == nullptr);
  }
  SECTION("lost") {
    peer.abort();
    CHECK(read() == nullptr);
  }
}

TEST_CASE_METHOD(Pair, "end() closes with code 1000") {
  auto ending = stream->end().eagerlyEvaluate(nullptr);
  auto message = peer.receive().wait(io.waitScope);
  CHECK(message.get<kj::WebSocket::Close>().code == 1000);
}

TEST_CASE_METHOD(Pair, "the streaming window is the one given") {
  CHECK(KJ_ASSERT_NONNULL(stream->getSendBufferSize()) == 1 << 20);
}

TEST_CASE_METHOD(Pair, "empty and ragged frames are refused") {
  SECTION("empty") { refusal(nullptr); }
  SECTION("ragged") {
    kj::byte bytes[12] = {};
    CHECK(contains(refusal(bytes).getDescription(), "its 12 bytes are no multiple of 8"));
  }
  SECTION("ragged after a message") {
    auto frame = join(kj::arr(textMessage("one")));
    refusal(frame.slice(0, frame.size() - 1));
  }
}

TEST_CASE("a frame of exactly the longest size is read, a longer one is refused") {
  auto io = kj::setupAsyncIo();
  auto bytes = kj::newTwoWayPipe();
  auto peer = kj::newWebSocket(kj::mv(bytes.ends[0]), nullptr);
  auto socket = kj::newWebSocket(kj::mv(bytes.ends[1]), nullptr);
  auto stream = newWebSocketStream(*socket, MAX_FRAME, 1 << 20);
  capnp::MallocMessageBuilder builder(MAX_FRAME / 8);
  builder.getRoot<capnp::AnyPointer>().initAs<capnp::Data>(MAX_FRAME - 24);
  auto flat = capnp::messageToFlatArray(builder);
  auto frame = kj::heapArray<kj::byte>(MAX_FRAME + 8);
  memset(frame.begin(), 0, frame.size());
  REQUIRE(flat.asBytes().size() <= MAX_FRAME);
  memcpy(frame.begin(), flat.asBytes().begin(), flat.asBytes().size());
  auto longest = GENERATE(true, false);
  auto sending = peer->send(frame.slice(0, longest ? MAX_FRAME : MAX_FRAME + 8))
                     .eagerlyEvaluate([](kj::Exception&&) {});
  auto e = kj::runCatchingExceptions([&]() {
    auto message = stream->tryReadMessage(nullptr, capnp::ReaderOptions(), nullptr).wait(io.waitScope);
    CHECK(message != nullptr);
  });
  CHECK((e == nullptr) == longest);
}

TEST_CASE_METHOD(Pair, "hostile segment tables are refused before anything is allocated for them") {
  struct Case {
    uint32_t count, size;
    const char* why;
  };
  auto c = GENERATE(Case{0xffffffff, 0, "4294967296 segments"}, Case{0xfffffffe, 0, "4294967295 segments"},
                    Case{512, 0, "513 segments"}, Case{511, 0, "cut short"},
                    Case{0, 0xffffffff, "34359738368 bytes is claimed"}, Case{0, 2, "claimed"});
  INFO(c.why);
  uint32_t table[4] = {c.count, c.size, 0, 0};
  CHECK(contains(refusal(kj::arrayPtr(table, 4).asBytes()).getDescription(), c.why));
}

TEST_CASE_METHOD(Pair, "text is refused") {
  auto sending = peer.send("text"_kj.asArray()).eagerlyEvaluate([](kj::Exception&&) {});
  auto e = kj::runCatchingExceptions([&]() { read(); });
  CHECK(contains(KJ_ASSERT_NONNULL(e).getDescription(), "text"));
}

class SaveServer final : public Service::Server {
 public:
  kj::Promise<void> save(SaveContext context) override {
    auto text = kj::str("saved for ", context.getParams().getSealFor());
    context.getResults().setSturdyRef(text);
    return kj::READY_NOW;
  }
};

// A whole RPC system behind the real server, and real WebSocket clients.
struct Rpc : private kj::HttpService {
  KjLogRedirect noise;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::HttpHeaderTable table;
  unsigned active = 0;
  kj::Own<kj::ConnectionReceiver> receiver =
      io.provider->getNetwork().parseAddress("127.0.0.1").wait(io.waitScope)->listen();
  kj::Promise<void> serving =
      serveHttp(*receiver, io.provider->getTimer(), table, *this).eagerlyEvaluate(nullptr);
  kj::Own<kj::NetworkAddress> address = io.provider->getNetwork()
                                            .parseAddress("127.0.0.1", receiver->getPort())
                                            .wait(io.waitScope);
  struct Entropy final : public kj::EntropySource {
    void generate(kj::ArrayPtr<kj::byte> buffer) override { memset(buffer.begin(), 9, buffer.size()); }
  } entropy;

  kj::Promise<void> request(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders&,
                            kj::AsyncInputStream&, Response& response) override {
    ++active;
    KJ_DEFER(--active);
    auto socket = response.acceptWebSocket(kj::HttpHeaders(table));
    auto stream = newWebSocketStream(*socket, MAX_FRAME, 1 << 20);
    capnp::TwoPartyVatNetwork network(*stream, capnp::rpc::twoparty::Side::SERVER);
    auto rpc = capnp::makeRpcServer(network, capnp::Capability::Client(kj::heap<SaveServer>()));
    co_await network.onDisconnect();
  }

  struct Client {
    kj::Own<kj::HttpClient> http;
    kj::Own<kj::WebSocket> socket;
  };
  Client open() {
    kj::HttpClientSettings settings;
    settings.entropySource = entropy;
    Client client;
    client.http = kj::newHttpClient(io.provider->getTimer(), table, *address, settings);
    auto response = client.http->openWebSocket("/", kj::HttpHeaders(table)).wait(io.waitScope);
    client.socket = kj::mv(response.webSocketOrBody.get<kj::Own<kj::WebSocket>>());
    return client;
  }

  kj::String call() {
    auto client = open();
    auto stream = newWebSocketStream(*client.socket, MAX_FRAME, 1 << 20);
    capnp::TwoPartyVatNetwork network(*stream, capnp::rpc::twoparty::Side::CLIENT);
    auto rpc = capnp::makeRpcClient(network);
    capnp::MallocMessageBuilder scratch;
    auto vat = scratch.initRoot<capnp::rpc::twoparty::VatId>();
    vat.setSide(capnp::rpc::twoparty::Side::SERVER);
    auto saver = rpc.bootstrap(vat).castAs<Service>();
    auto request = saver.saveRequest();
    request.setSealFor("me");
    auto response = request.send().wait(io.waitScope);
    return kj::str(response.getSturdyRef());
  }

  bool settles(unsigned count) {
    for (int i = 0; i < 500 && active != count; i++) {
      io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(io.waitScope);
    }
    return active == count;
  }
};

TEST_CASE_METHOD(Rpc, "calls go through, one connection after the other") {
  CHECK(call() == "saved for me");
  CHECK(call() == "saved for me");
  CHECK(settles(0));
}

TEST_CASE_METHOD(Rpc, "hostile frames end their connection, and the service goes on") {
  kj::Array<kj::byte> frame;
  SECTION("empty") { frame = kj::heapArray<kj::byte>(0); }
  SECTION("ragged") { frame = kj::heapArray<kj::byte>(9); }
  SECTION("too long") { frame = kj::heapArray<kj::byte>(MAX_FRAME + 8); }
  SECTION("2^32 segments") {
    frame = kj::heapArray<kj::byte>(8);
    memset(frame.begin(), 0xff, 8);
  }
  SECTION("a pointer out of bounds") {
    frame = kj::heapArray<kj::byte>(16);
    memset(frame.begin(), 0, 16);
    frame[4] = 1;
    memset(frame.begin() + 8, 0x7c, 8);
  }
  auto client = open();
  REQUIRE(settles(1));
  auto sending = client.socket->send(frame.asPtr()).eagerlyEvaluate([](kj::Exception&&) {});
  // The server may say why (an Abort message), then it ends.
  for (bool ended = false; !ended;) {
    auto e = kj::runCatchingExceptions([&]() {
      ended = client.socket->receive().wait(io.waitScope).is<kj::WebSocket::Close>();
    });
    ended = ended || e != nullptr;
  }
  client.socket = nullptr;  // before the client that it came from
  client.http = nullptr;
  CHECK(settles(0));
  CHECK(call() == "saved for me");
}

}  // namespace
}  // namespace sandbridge
