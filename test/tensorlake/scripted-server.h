#pragma once
// A TensorLake that answers what a test tells it to: real HTTP on loopback, wrong on purpose.

#include "base/coroutine.h"
#include "fast-timer.h"
#include "net/http-client.h"
#include "net/raw-server.h"
#include "tensorlake/client.h"

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

namespace sandbridge::test {

struct Seen {
  std::string method, path, head, body;
  std::string line() const { return method + " " + path; }
  bool has(const std::string& headerLine) const {
    return head.find("\r\n" + headerLine + "\r\n") != std::string::npos;
  }
};

// Bytes to send, and whether the connection goes on after them.
struct Reply {
  std::string bytes;
  bool close = false;
  bool hang = false;
  std::string trickle;  // sent after the rest, one byte every 5 ms
};

inline Reply json(int status, const std::string& body, const std::string& headers = "") {
  return {"HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
          headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}
inline Reply error(int status, const std::string& code) {
  return json(status, "{\"error\":\"scripted\",\"code\":\"" + code + "\"}");
}
// An event stream that ends with its connection.
inline Reply events(const std::string& body) {
  return {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body,
          true};
}
// One that promises more than it sends.
inline Reply cutEvents(const std::string& body) {
  return {
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n" + body,
      true};
}
// The request is taken, and never answered.
inline Reply lost() {
  return {"", true};
}
// The request is taken, and the connection stays as it is: these bytes, and then silence.
inline Reply silent(const std::string& bytes = "") {
  return {bytes, false, true};
}

class ScriptedServer {
 public:
  ScriptedServer(kj::AsyncIoContext& io, kj::StringPtr address = "127.0.0.1")
      : timer(io.provider->getTimer()),
        receiver(io.provider->getNetwork().parseAddress(address).wait(io.waitScope)->listen()),
        tasks(errors) {
    tasks.add(acceptLoop());
  }

  // Answers every request; called in the order of their arrival.
  std::function<Reply(const Seen&)> answer;
  std::vector<Seen> seen;
  // Called when a connection has come to its end.
  std::function<void()> onEnd = []() {};

  unsigned port() { return receiver->getPort(); }
  std::string url() { return "http://127.0.0.1:" + std::to_string(port()); }

  std::vector<std::string> lines() {
    std::vector<std::string> all;
    for (auto& s : seen) all.push_back(s.line());
    return all;
  }
  size_t count(const std::string& line) {
    size_t n = 0;
    for (auto& s : seen) n += s.line() == line;
    return n;
  }

 private:
  struct Errors : public kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& e) override {
      if (e.getType() != kj::Exception::Type::DISCONNECTED)
        KJ_LOG(ERROR, "the scripted server failed", e);
    }
  };
  Errors errors;
  kj::Timer& timer;
  kj::Own<kj::ConnectionReceiver> receiver;
  kj::TaskSet tasks;

  kj::Promise<void> acceptLoop() {
    for (;;) tasks.add(serve(co_await receiver->accept()));
  }

  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream) {
    RawConnection connection(kj::mv(stream));
    KJ_DEFER(onEnd());
    for (;;) {
      Seen request;
      request.head = co_await connection.readHead();
      if (request.head.size() < 4) co_return;
      auto space = request.head.find(' ');
      request.method = request.head.substr(0, space);
      request.path = request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);
      auto length = request.head.find("Content-Length: ");
      if (length != std::string::npos) {
        request.body = co_await connection.readExactly(
            strtoul(request.head.c_str() + length + 16, nullptr, 10));
      }
      seen.push_back(request);
      auto reply = answer(request);
      if (!reply.bytes.empty()) co_await connection.write(reply.bytes);
      for (char c : reply.trickle) {
        co_await connection.write(std::string(1, c));
        co_await timer.afterDelay(5 * kj::MILLISECONDS);
      }
      if (reply.hang) co_await connection.readToEnd();
      if (reply.close || reply.hang) co_return;
    }
  }
};

// A client of the scripted server, and an event loop to wait on. With a `speed`, the client's clock
// goes so many times too fast, and its deadlines are over so much sooner.
struct Fixture {
  explicit Fixture(unsigned speed = 1)
      : io(kj::setupAsyncIo()), timer(io.provider->getTimer(), speed), server(io) {
    connectWith(kj::str("secret-key-42"));
  }

  void connectWith(kj::String key, kj::StringPtr organization = nullptr,
                   kj::StringPtr project = nullptr) {
    client = nullptr;
    http = newHttpClient(io.unixEventPort, timer);
    tensorlake::Config config;
    config.apiUrl = kj::str(server.url());
    config.apiKey = kj::mv(key);
    config.organizationId = kj::heapString(organization);
    config.projectId = kj::heapString(project);
    client = tensorlake::newClient(kj::mv(config), *http, timer);
  }

  template <typename T>
  T wait(kj::Promise<T> promise) {
    return promise
        .exclusiveJoin(
            io.provider->getTimer().afterDelay(60 * kj::SECONDS).then([]() -> kj::Promise<T> {
              return KJ_EXCEPTION(FAILED, "the test waited for too long");
            }))
        .wait(io.waitScope);
  }

  kj::Own<tensorlake::DataPlane> plane(const std::string& url) {
    tensorlake::Sandbox sandbox;
    sandbox.id = kj::str("box1");
    sandbox.url = kj::str(url);
    sandbox.routingHint = kj::str("hint-7");
    return client->connect(sandbox);
  }
  kj::Own<tensorlake::DataPlane> plane() { return plane(server.url()); }

  kj::AsyncIoContext io;
  FastTimer timer;
  ScriptedServer server;
  kj::Own<HttpClient> http;
  kj::Own<tensorlake::Client> client;
};

}  // namespace sandbridge::test
