// Bytes of anybody who connects to the bridge's or the local cloud's port: HTTP up to the first service behind the guard.

#include "fuzz.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "net/http-server.h"

#include <kj/vector.h>

#include <string>

namespace sandbridge {
namespace {

using fuzz::require;

// One connection, then none.
class OneConnection final : public kj::ConnectionReceiver {
 public:
  explicit OneConnection(kj::Own<kj::AsyncIoStream> stream) : stream(kj::mv(stream)) {}

  kj::Promise<kj::Own<kj::AsyncIoStream>> accept() override {
    if (stream.get() == nullptr) return kj::NEVER_DONE;
    return kj::mv(stream);
  }
  uint getPort() override { return 0; }
  void getsockopt(int, int, void*, uint*) override { KJ_UNIMPLEMENTED("getsockopt"); }
  void setsockopt(int, int, const void*, uint) override {}

 private:
  kj::Own<kj::AsyncIoStream> stream;
};

// Answers with what it was asked.
class Echo final : public kj::HttpService {
 public:
  explicit Echo(const kj::HttpHeaderTable& table) : table(table) {}

  std::string served;  // all requests that came whole

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    require(headers.get(kj::HttpHeaderId::TRANSFER_ENCODING) == nullptr,
            "a request whose length is in doubt does not reach the service");
    auto target = kj::str(method, ' ', url, ' ');
    auto content = co_await body.readAllBytes(1 << 16);
    KJ_IF_MAYBE (length, headers.get(kj::HttpHeaderId::CONTENT_LENGTH)) {
      require(length->parseAs<uint64_t>() == content.size(), "a body is as long as its header says");
    } else {
      require(content.size() == 0, "there is no body without a length");
    }
    kj::Vector<char> text;
    text.addAll(target);
    text.addAll(content.asChars());
    served.append(text.begin(), text.size()).append("\n====\n");
    kj::HttpHeaders answer(table);
    auto stream = response.send(200, "OK", answer, text.size());
    co_await stream->write(text.begin(), text.size());
  }

 private:
  const kj::HttpHeaderTable& table;
};

struct Conversation {
  kj::String answer;  // everything that the server says until it closes
  std::string served;
};

Conversation converse(fuzz::Bytes bytes, bool whole) {
  kj::HttpHeaderTable::Builder builder;
  auto table = builder.build();
  kj::TimerImpl timer(kj::origin<kj::TimePoint>());
  auto pipe = kj::newTwoWayPipe();
  OneConnection port(kj::mv(pipe.ends[0]));
  Echo echo(*table);
  auto& scope = fuzz::waitScope();

  auto serving = serveHttp(port, timer, *table, echo).eagerlyEvaluate([](kj::Exception&& e) {
    require(false, kj::str("no connection ends the server: ", e.getDescription()));
  });
  auto& client = *pipe.ends[1];
  kj::Maybe<kj::String> answer;
  auto reading = client.readAllText(1 << 22).then([&](kj::String text) { answer = kj::mv(text); })
      .eagerlyEvaluate([](kj::Exception&& e) {
        require(false, kj::str("an answer can be read: ", e.getDescription()));
      });
  auto send = [&]() -> kj::Promise<void> {
    if (whole) {
      if (bytes.size() > 0) co_await client.write(bytes.begin(), bytes.size());
    } else {
      fuzz::Pieces pieces(bytes);
      for (;;) {
        auto piece = pieces.next().orDefault(nullptr);
        if (piece.size() == 0) break;
        co_await client.write(piece.begin(), piece.size());
      }
    }
    client.shutdownWrite();
  };
  // A server that has closed takes no more.
  auto sending = send().eagerlyEvaluate([](kj::Exception&&) {});

  // Longer than every deadline of the server.
  for (int seconds = 0; seconds < 200 && answer == nullptr; seconds++) {
    scope.poll();
    timer.advanceTo(timer.now() + 1 * kj::SECONDS);
  }
  KJ_IF_MAYBE (text, answer) return {kj::mv(*text), kj::mv(echo.served)};
  require(false, "a connection that brings nothing more ends");
  KJ_UNREACHABLE;
}

}  // namespace

void fuzz::test(Bytes bytes) {
  auto whole = converse(bytes, true), inPieces = converse(bytes, false);
  // Answers may differ: whether an unfinished request is told to be one, or just closed upon, is a race in the library.
  require(whole.served == inPieces.served, "what the service is asked does not depend on where requests are cut");
  for (auto conversation : {&whole, &inPieces}) {
    require(conversation->answer.size() == 0 || conversation->answer.startsWith("HTTP/1.1 "), "what is answered is HTTP");
  }
}

}  // namespace sandbridge
