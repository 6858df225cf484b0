// A body of 1 GiB passes through the client, whichever way, and never sits in it.
#include "base/coroutine.h"
#include "net/http-client.h"
#include "net/raw-server.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

namespace sandbridge {
namespace {

constexpr uint64_t SIZE = 1u << 30;
// What the sanitizers keep of freed memory would be taken for ours; there only the way through is tested.
#if __has_feature(address_sanitizer)
constexpr size_t ALLOWED_KIB = SIZE;
#else
constexpr size_t ALLOWED_KIB = 16 << 10;
#endif

// The most memory that this process had since resetPeak(), in KiB.
size_t peak() {
  kj::AutoCloseFd fd(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  char text[8192] = {};
  KJ_ASSERT(read(fd, text, sizeof(text) - 1) > 0);
  auto line = strstr(text, "VmHWM:");
  KJ_ASSERT(line != nullptr);
  return strtoul(line + 6, nullptr, 10);
}
void resetPeak() {
  kj::AutoCloseFd fd(open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC));
  KJ_ASSERT(write(fd, "5", 1) == 1);
}

class Zeros final : public kj::AsyncInputStream {
 public:
  kj::Promise<size_t> tryRead(void* buffer, size_t, size_t most) override {
    auto n = kj::min(most, left);
    memset(buffer, 0, n);
    left -= n;
    return n;
  }

 private:
  uint64_t left = SIZE;
};

struct Fixture {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Own<HttpClient> client = newHttpClient(io.unixEventPort, io.provider->getTimer());
  RawServer server{io};

  HttpClient::Request request(kj::StringPtr method) {
    HttpClient::Request r;
    r.method = method;
    r.url = server.url();
    return r;
  }
};

TEST_CASE_METHOD(Fixture, "a file of 1 GiB is received without sitting in memory") {
  auto serving = [](RawServer& server) -> kj::Promise<void> {
    auto c = co_await server.accept();
    co_await c.readHead();
    co_await c.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(SIZE) + "\r\n\r\n");
    auto chunk = kj::heapArray<kj::byte>(256 << 10);
    memset(chunk.begin(), 0, chunk.size());
    for (uint64_t sent = 0; sent < SIZE; sent += chunk.size()) {
      co_await c.stream->write(chunk.begin(), chunk.size());
    }
  }(server).eagerlyEvaluate(nullptr);
  auto response = client->send(request("GET")).wait(io.waitScope);
  auto buffer = kj::heapArray<kj::byte>(256 << 10);
  resetPeak();
  auto before = peak();
  uint64_t read = 0;
  for (;;) {
    auto n = response.body->tryRead(buffer.begin(), 1, buffer.size()).wait(io.waitScope);
    if (n == 0) break;
    read += n;
  }
  CHECK(read == SIZE);
  CHECK(peak() - before < ALLOWED_KIB);
}

TEST_CASE_METHOD(Fixture, "a file of 1 GiB is sent without sitting in memory, however slowly it is taken") {
  auto r = request("PUT");
  r.body = HttpClient::StreamBody{kj::heap<Zeros>(), SIZE};
  resetPeak();
  auto before = peak();
  auto sending = client->send(kj::mv(r)).eagerlyEvaluate(nullptr);
  auto c = server.accept().wait(io.waitScope);
  c.readHead().wait(io.waitScope);
  auto buffer = kj::heapArray<kj::byte>(256 << 10);
  for (uint64_t left = SIZE; left > 0;) {
    auto n = c.stream->tryRead(buffer.begin(), 1, kj::min(left, buffer.size())).wait(io.waitScope);
    REQUIRE(n > 0);
    left -= n;
    if (left == SIZE / 2) io.provider->getTimer().afterDelay(100 * kj::MILLISECONDS).wait(io.waitScope);
  }
  CHECK(peak() - before < ALLOWED_KIB);
  c.write("HTTP/1.1 204 No Content\r\n\r\n").wait(io.waitScope);
  CHECK(sending.wait(io.waitScope).status == 204);
}

}  // namespace
}  // namespace sandbridge
