// A service that stops in the middle: after the headers, within the body, or byte by byte. Every wait ends by our own clock,
// which goes fast here.
#include "base/error.h"
#include "tensorlake/scripted-server.h"

using namespace sandbridge;
using namespace sandbridge::test;
using tensorlake::ProcessEvent;

namespace {

constexpr unsigned SPEED = 400;  // a minute is 150 ms
const std::string RUNNING = "{\"sandbox_id\":\"box1\",\"name\":\"n\",\"status\":\"running\"}";

Reply headersOnly(int status, const std::string& type = "application/json") {
  return silent("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " + type +
                "\r\nContent-Length: 500\r\n\r\n");
}

Reply trickling(const std::string& type = "application/json") {
  Reply reply{"HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\nContent-Length: 100000\r\n\r\n"};
  reply.trickle = std::string(100000, ' ');
  return reply;
}

tensorlake::ProcessRequest command() {
  tensorlake::ProcessRequest request;
  request.command = kj::str("true");
  return request;
}

template <typename T>
kj::Exception failure(Fixture& f, kj::Promise<T> promise) {
  try {
    f.wait(kj::mv(promise));
  } catch (kj::Exception& e) {
    return kj::mv(e);
  }
  throw std::runtime_error("nothing was thrown");
}

}  // namespace

TEST_CASE("an answer that stops after its headers, or trickles, is asked for once more", "[deadline]") {
  for (auto& reply : {headersOnly(200), trickling()}) {
    INFO(reply.bytes);
    Fixture f(SPEED);
    f.server.answer = [&](const Seen&) {
      return f.server.seen.size() == 1 ? reply : json(200, RUNNING);
    };
    CHECK(KJ_ASSERT_NONNULL(f.wait(f.client->get(kj::str("n")))).id == "box1");
    f.server.seen.clear();
    f.server.answer = [&](const Seen&) { return reply; };
    auto e = failure(f, f.client->get(kj::str("n")));
    CHECK(kindOf(e) == ErrorKind::UNAVAILABLE);
    CHECK_THAT(textOf(e).cStr(), Catch::Contains("not complete within 60 s"));
    CHECK(f.server.seen.size() == 2);
  }
}

TEST_CASE("an answer to what must not be repeated that stops or trickles is an unknown outcome",
          "[deadline]") {
  for (auto& reply : {headersOnly(201), trickling()}) {
    INFO(reply.bytes);
    Fixture f(SPEED);
    f.server.answer = [&](const Seen&) { return reply; };
    auto plane = f.plane();
    CHECK(kindOf(failure(f, plane->start(command()))) == ErrorKind::INTERRUPTED);
    CHECK(f.server.seen.size() == 1);
  }
}

TEST_CASE("an error without its explanation is not waited for as long as an answer", "[deadline]") {
  Fixture f(100);
  f.server.answer = [&](const Seen&) {
    return f.server.seen.size() <= 2 ? headersOnly(503) : json(200, RUNNING);
  };
  auto begin = f.timer.now();
  f.wait(f.client->get(kj::str("n")));
  CHECK(f.server.seen.size() == 3);
  CHECK(f.timer.now() - begin >= 10 * kj::SECONDS);
}

TEST_CASE("what the service only has to know is waited for half a minute, a creation longer", "[deadline]") {
  Fixture f(SPEED);
  f.server.answer = [&](const Seen&) { return silent(); };
  for (auto ask : {+[](tensorlake::Client& c) { return c.get(kj::str("n")).ignoreResult(); },
                   +[](tensorlake::Client& c) { return c.list().ignoreResult(); },
                   +[](tensorlake::Client& c) { return c.remove(kj::str("n")); },
                   +[](tensorlake::Client& c) { return c.suspend(kj::str("n")).ignoreResult(); }}) {
    CHECK_THAT(textOf(failure(f, ask(*f.client))).cStr(), Catch::Contains("within 30 s"));
  }
  CHECK_THAT(textOf(failure(f, f.client->create({}))).cStr(), Catch::Contains("within 310 s"));
}

TEST_CASE("a silent service's text names the host and the time, and nothing of the request",
          "[deadline]") {
  Fixture f(SPEED);
  f.server.answer = [&](const Seen&) { return silent(); };
  auto plane = f.plane();
  auto e = failure(f, plane->health());
  CHECK(std::string(textOf(e).cStr()) == "could not reach the sandbox: no answer from 127.0.0.1:" +
                                             std::to_string(f.server.port()) + " within 10 s");
}

TEST_CASE("a file that stops or trickles is an error; what is only large is not", "[deadline]") {
  for (auto& reply : {headersOnly(200, "application/octet-stream"),
                      trickling("application/octet-stream")}) {
    INFO(reply.bytes);
    Fixture f(SPEED);
    f.server.answer = [&](const Seen&) { return reply; };
    auto plane = f.plane();
    auto stream = f.wait(plane->readFile(kj::str("/x")));
    CHECK(kindOf(failure(f, stream->readAllBytes())) == ErrorKind::INTERRUPTED);
  }
  Fixture f(50);
  f.server.answer = [&](const Seen&) { return json(200, std::string(3000000, 'x')); };
  auto plane = f.plane();
  auto stream = f.wait(plane->readFile(kj::str("/x")));
  kj::byte buffer[1];
  f.wait(stream->tryRead(buffer, 1, 1));
  f.wait(f.timer.afterDelay(70 * kj::SECONDS));  // a reader may take its time
  CHECK(f.wait(stream->readAllBytes()).size() == 2999999);
}

TEST_CASE("a run that has told its end is over though its stream stays open", "[deadline]") {
  Fixture f(20);
  f.server.answer = [&](const Seen&) {
    return silent(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        "data: {\"pid\":1}\n\ndata: {\"exit_code\":3}\n\n");
  };
  auto plane = f.plane();
  auto events = f.wait(plane->run(command()));
  CHECK(KJ_ASSERT_NONNULL(f.wait(events->next())).kind == ProcessEvent::STARTED);
  CHECK(KJ_ASSERT_NONNULL(f.wait(events->next())).value == 3);
  auto begin = f.timer.now();
  CHECK(f.wait(events->next()) == nullptr);
  CHECK(f.timer.now() - begin >= 2 * kj::SECONDS);
}

TEST_CASE("a call that is dropped hangs up at once, whatever it waits for", "[deadline]") {
  Fixture f;
  bool hungUp = false;
  auto reply = GENERATE(silent(), headersOnly(200), trickling());
  f.server.answer = [&](const Seen&) { return reply; };
  f.server.onEnd = [&]() { hungUp = true; };
  auto plane = f.plane();
  auto calling = plane->processes().eagerlyEvaluate(nullptr);
  while (f.server.seen.empty()) f.wait(f.timer.afterDelay(1 * kj::MILLISECONDS));
  calling = nullptr;
  for (int i = 0; i < 2000 && !hungUp; ++i) f.wait(f.timer.afterDelay(5 * kj::MILLISECONDS));
  CHECK(hungUp);
}
