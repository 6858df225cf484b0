#include "health-check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <kj/debug.h>
#include <kj/io.h>

#include "base/coroutine.h"
#include "base/error.h"

namespace sandbridge::localcloud::daemon {

namespace {

kj::Promise<kj::Maybe<kj::String>> ask(kj::LowLevelAsyncIoProvider& io, const HealthCheck& check) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) co_return kj::Maybe<kj::String>(kj::str("socket: ", strerror(errno)));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(check.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto stream = co_await io.wrapConnectingSocketFd(
      kj::AutoCloseFd(fd), reinterpret_cast<sockaddr*>(&address), sizeof address);
  if (!check.http) co_return nullptr;

  kj::HttpHeaderTable table;
  auto client = kj::newHttpClient(table, *stream);
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::HOST, kj::str("127.0.0.1:", check.port));
  headers.set(kj::HttpHeaderId::CONNECTION, "close");
  auto request = client->request(kj::HttpMethod::GET, check.path, headers, uint64_t(0));
  auto answer = co_await request.response;
  if (answer.statusCode >= 200 && answer.statusCode < 400) co_return nullptr;
  co_return kj::Maybe<kj::String>(kj::str("HTTP status ", answer.statusCode));
}

}  // namespace

kj::Promise<kj::Maybe<kj::String>> askHealth(kj::LowLevelAsyncIoProvider& io, const HealthCheck& check) {
  auto late = io.getTimer().afterDelay(check.timeoutMs * kj::MILLISECONDS).then([&check]() {
    return kj::Maybe<kj::String>(kj::str("no answer in ", check.timeoutMs, " ms"));
  });
  return kj::evalNow([&]() { return ask(io, check); })
      .catch_([&check](kj::Exception&&) {
        return kj::Maybe<kj::String>(kj::str("port ", check.port, " does not answer"));
      })
      .exclusiveJoin(kj::mv(late));
}

}  // namespace sandbridge::localcloud::daemon
