// Tunnels to ports in a sandbox, over answers of TensorLake that a real one can give. What passes through a good one is tested
// with the local cloud (test/opencode/preview.test.mjs).

#include "scripted-server.h"

#include "base/error.h"
#include "tensorlake/tunnels.h"

namespace sandbridge::test {
namespace {

struct TunnelFixture : Fixture {
  kj::Own<tensorlake::Tunnels> tunnels;

  explicit TunnelFixture(unsigned speed = 1) : Fixture(speed) {
    tensorlake::Config config;
    config.apiUrl = kj::str(server.url());
    config.apiKey = kj::str("secret-key-42");
    tunnels = tensorlake::newTunnels(kj::mv(config), io.provider->getNetwork(), timer);
  }

  kj::Promise<kj::Own<kj::AsyncIoStream>> open(const std::string& url) {
    tensorlake::Sandbox sandbox;
    sandbox.id = kj::str("box1");
    sandbox.url = kj::str(url);
    sandbox.routingHint = kj::str("hint-7");
    return tunnels->open(sandbox, 8080);
  }
  kj::Exception failure(const std::string& url) {
    auto opened = open(url).then([](kj::Own<kj::AsyncIoStream>&&) { return kj::Maybe<kj::Exception>(nullptr); },
                                 [](kj::Exception&& e) { return kj::Maybe<kj::Exception>(kj::mv(e)); });
    auto failure = wait(kj::mv(opened));
    return kj::mv(KJ_ASSERT_NONNULL(failure));
  }
};

TEST_CASE("a tunnel is a WebSocket that goes where the sandbox is, with the key") {
  TunnelFixture f;
  f.server.answer = [](const Seen&) { return json(502, "{}"); };
  f.failure(f.server.url());
  REQUIRE(f.server.seen.size() == 1);
  auto& seen = f.server.seen[0];
  CHECK(seen.line() == "GET /api/v1/tunnels/tcp?port=8080");
  CHECK(seen.has("Host: box1.local"));
  CHECK(seen.has("X-Tensorlake-Route-Hint: hint-7"));
  CHECK(seen.has("Authorization: Bearer secret-key-42"));
  CHECK(seen.has("Upgrade: websocket"));
}

TEST_CASE("each refusal of a tunnel says whether the port, the sandbox or the key is at fault, and never the key") {
  TunnelFixture f;
  auto kind = [&](Reply reply) {
    f.server.answer = [reply](const Seen&) { return reply; };
    auto e = f.failure(f.server.url());
    CHECK(std::string(textOf(e).cStr()).find("secret-key-42") == std::string::npos);
    return kindOf(e);
  };
  CHECK(kind(error(502, "CONNECTION_REFUSED")) == ErrorKind::NOT_FOUND);
  CHECK(kind(error(502, "SANDBOX_UPSTREAM_ERROR")) == ErrorKind::UNAVAILABLE);
  CHECK(kind(error(503, "SANDBOX_NOT_READY")) == ErrorKind::UNAVAILABLE);
  CHECK(kind(error(400, "SANDBOX_NOT_RUNNING")) == ErrorKind::UNAVAILABLE);
  CHECK(kind(json(401, "{\"error\":\"no such key: secret-key-42\"}")) == ErrorKind::DENIED);
  CHECK(kind(lost()) == ErrorKind::UNAVAILABLE);
}

TEST_CASE("a tunnel that is never answered is given up, and the key goes nowhere else") {
  TunnelFixture f(60);
  f.server.answer = [](const Seen&) { return silent(); };
  CHECK(kindOf(f.failure(f.server.url())) == ErrorKind::UNAVAILABLE);
  auto before = f.server.seen.size();
  CHECK(kindOf(f.failure("https://elsewhere.example")) == ErrorKind::FAILED);
  CHECK(f.server.seen.size() == before);
}

}  // namespace
}  // namespace sandbridge::test
