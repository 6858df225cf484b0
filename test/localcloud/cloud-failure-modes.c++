// Every way in which TensorLake and the network before it are known to fail, and the --fault that makes it.
// What needs no fault: a connection that is refused (no server), a sandbox that is not there or not running (its true state),
// a creation that times out (X-Tensorlake-Request-Timeout-Ms), a token that is refused (--api-key).

#include "localcloud/cloud-fixture.h"

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;
using Response = kj::HttpService::Response;

constexpr const char* RUN = "POST /api/v1/processes/run";
constexpr const char* LIST = "GET /sandboxes";

enum class End { ANSWER, CLOSED, RESET, SILENT };

struct Mode {
  const char* what;
  const char* fault;
  const char* request;
  End end;
  const char* answer;  // how it begins
  const char* within;  // and what is in it
};

// Status and code as the official client would report them.
const Mode MODES[] = {
    // The proxy before the sandboxes.
    {"the sandbox is not named", "status=400:MISSING_SANDBOX_ID", RUN, End::ANSWER, "HTTP/1.1 400 ", "MISSING_SANDBOX_ID"},
    {"the sandbox is not there", "status=404:SANDBOX_NOT_FOUND", RUN, End::ANSWER, "HTTP/1.1 404 ", "SANDBOX_NOT_FOUND"},
    {"not running, by the old proxy", "status=503:SANDBOX_NOT_RUNNING", RUN, End::ANSWER, "HTTP/1.1 503 ", "SANDBOX_NOT_RUNNING"},
    {"not running, by the public proxy", "status=400:SANDBOX_NOT_RUNNING", RUN, End::ANSWER, "HTTP/1.1 400 ", "SANDBOX_NOT_RUNNING"},
    {"the daemon hung up, afterwards", "status=502:CONNECTION_CLOSED,when=after", RUN, End::ANSWER, "HTTP/1.1 502 ", "CONNECTION_CLOSED"},
    {"the daemon is not there", "status=502:CONNECTION_REFUSED", RUN, End::ANSWER, "HTTP/1.1 502 ", "CONNECTION_REFUSED"},
    {"the proxy failed", "status=502:PROXY_ERROR", RUN, End::ANSWER, "HTTP/1.1 502 ", "PROXY_ERROR"},
    {"the daemon takes no connection", "status=504:CONNECTION_TIMEOUT", RUN, End::ANSWER, "HTTP/1.1 504 ", "CONNECTION_TIMEOUT"},
    {"the daemon did not answer", "status=504:READ_TIMEOUT,when=after", RUN, End::ANSWER, "HTTP/1.1 504 ", "READ_TIMEOUT"},
    {"the daemon took no body", "status=504:WRITE_TIMEOUT", RUN, End::ANSWER, "HTTP/1.1 504 ", "WRITE_TIMEOUT"},
    {"before any dataplane: upstream", "status=503:SANDBOX_UPSTREAM_ERROR", RUN, End::ANSWER, "HTTP/1.1 503 ", "SANDBOX_UPSTREAM_ERROR"},
    {"before any dataplane: not ready", "status=503:SANDBOX_NOT_READY", RUN, End::ANSWER, "HTTP/1.1 503 ", "SANDBOX_NOT_READY"},
    {"before any dataplane: unreachable", "status=503:SANDBOX_UNREACHABLE", RUN, End::ANSWER, "HTTP/1.1 503 ", "SANDBOX_UNREACHABLE"},
    {"before any dataplane: nobody checks tokens", "status=503:AUTH_SERVICE_UNAVAILABLE", RUN, End::ANSWER, "HTTP/1.1 503 ", "AUTH_SERVICE_UNAVAILABLE"},
    // The daemon.
    {"an error inside", "status=500:INTERNAL_ERROR", RUN, End::ANSWER, "HTTP/1.1 500 ", "INTERNAL_ERROR"},
    {"too many terminals", "status=429:TOO_MANY_SESSIONS", "POST /api/v1/pty", End::ANSWER, "HTTP/1.1 429 ", "TOO_MANY_SESSIONS"},
    {"standard input is closed", "status=400:STDIN_NOT_WRITABLE", "POST /api/v1/processes/7/stdin", End::ANSWER, "HTTP/1.1 400 ", "STDIN_NOT_WRITABLE"},
    // The control plane.
    {"errors in plain text", "status=500", LIST, End::ANSWER, "HTTP/1.1 500 ", "Content-Type: text/plain"},
    {"forbidden", "status=403:TL_FORBIDDEN", LIST, End::ANSWER, "HTTP/1.1 403 ", "TL_FORBIDDEN"},
    {"a name is taken", "status=409", "POST /sandboxes", End::ANSWER, "HTTP/1.1 409 ", ""},
    {"asked too often", "status=429,retry-after=2", LIST, End::ANSWER, "HTTP/1.1 429 ", "Retry-After: 2"},
    {"a creation whose answer is a timeout", "status=504,when=after", "POST /sandboxes", End::ANSWER, "HTTP/1.1 504 ", ""},
    {"a copy that cannot be", "status=422", "POST /sandboxes/probe/copy", End::ANSWER, "HTTP/1.1 422 ", ""},
    {"a roll-out of the control plane", "outage=30", LIST, End::ANSWER, "HTTP/1.1 503 ", ""},
    {"a control plane that is gone", "outage=30:reset", LIST, End::RESET, "", ""},
    // The network.
    {"reset before it arrived", "reset=before", RUN, End::RESET, "", ""},
    {"reset, the answer lost", "reset=after", RUN, End::RESET, "", ""},
    {"closed without an answer", "close=before", RUN, End::CLOSED, "", ""},
    {"closed, the answer lost", "close=after", RUN, End::CLOSED, "", ""},
    {"no answer, ever", "hang=before", RUN, End::SILENT, "", ""},
    {"no answer, ever, but the effect", "hang=after", RUN, End::SILENT, "", ""},
    {"a stream that is cut", "cut=9", RUN, End::CLOSED, "HTTP/1.1 200 ", "data: {\"a"},
    {"a stream that is reset", "cut=9:reset", RUN, End::RESET, "", ""},
    {"a stream that ends without its last event, and looks complete", "cut=12:whole", RUN, End::ANSWER, "HTTP/1.1 200 ", "\r\n0\r\n\r\n"},
    {"an answer's head, and nothing more", "cut=0", LIST, End::CLOSED, "HTTP/1.1 200 ", "Content-Length"},
};

TEST_CASE("every failure mode can be had") {
  Cloud cloud;
  cloud.create("probe");
  unsigned effects = 0;
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    ++effects;
    kj::HttpHeaders headers(*cloud.machine.daemonTable);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, "text/event-stream");
    auto stream = response.send(200, "OK", headers);
    for (kj::StringPtr event: {"data: {\"a\":1}\n\n"_kj, "data: {\"exit_code\":0}\n\n"_kj}) {
      co_await stream->write(event.begin(), event.size());
    }
  };
  auto& timer = cloud.io.provider->getTimer();
  auto& scope = cloud.io.waitScope;

  for (auto& mode: MODES) {
    INFO(mode.what << ": --fault " << mode.fault);
    cloud.shape({mode.fault});
    effects = 0;
    auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(scope);
    auto stream = address->connect().wait(scope);
    std::string request = mode.request;
    bool inside = request.find("/api/") != std::string::npos;
    request += std::string(" HTTP/1.1\r\nHost: ") + (inside ? "probe.local" : "localhost") + "\r\nContent-Length: 2\r\n\r\n{}";
    stream->write(request.data(), request.size()).wait(scope);

    // A kept-alive connection stays open after an answer: a moment's silence is its end.
    std::string answer;
    End end = End::SILENT;
    char buffer[4096];
    try {
      for (;;) {
        auto silence = timer.afterDelay(300 * kj::MILLISECONDS).then([]() { return SIZE_MAX; });
        auto n = stream->tryRead(buffer, 1, sizeof(buffer)).exclusiveJoin(kj::mv(silence)).wait(scope);
        if (n == SIZE_MAX) break;
        if (n == 0) {
          end = End::CLOSED;
          break;
        }
        answer.append(buffer, n);
      }
      if (end == End::SILENT && !answer.empty()) end = End::ANSWER;
    } catch (kj::Exception& e) {
      REQUIRE(e.getType() == kj::Exception::Type::DISCONNECTED);
      end = End::RESET;
    }
    INFO(answer);
    CHECK(end == mode.end);
    // An RST may overtake what was sent before it.
    if (end != End::RESET) {
      CHECK(answer.find(mode.answer) == 0);
      CHECK(answer.find(mode.within) != std::string::npos);
    }
    std::string fault = mode.fault;
    bool toDaemon = inside && std::string(mode.request) == RUN;
    bool hasEffect = fault.find("=after") != std::string::npos || fault.find("cut=") == 0;
    if (toDaemon) CHECK(effects == (hasEffect ? 1 : 0));
  }
}

}  // namespace
}  // namespace sandbridge::localcloud::test
