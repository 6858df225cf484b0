#include "rpc/listen-address.h"

#include "base/error.h"

#include <catch2/catch.hpp>
#include <kj/debug.h>

namespace sandbridge::test {
namespace {

TEST_CASE("only addresses that no other machine can reach count as loopback") {
  for (kj::StringPtr text : {"127.0.0.1:8787"_kj, "127.9.9.9:0"_kj, "[::1]:1"_kj, "localhost:65535"_kj}) {
    CHECK(KJ_ASSERT_NONNULL(parseListenAddress(text)).isLoopback);
  }
  for (kj::StringPtr text : {"0.0.0.0:1"_kj, "*:1"_kj, "[::]:1"_kj, "10.0.0.1:1"_kj, "example.com:1"_kj,
                             "localhost.evil.example:1"_kj, "127.0.0.1.evil.example:1"_kj, "127.1:1"_kj,
                             "[::ffff:127.0.0.1]:1"_kj}) {
    CHECK(!KJ_ASSERT_NONNULL(parseListenAddress(text)).isLoopback);
  }
}

TEST_CASE("what is no address with a port is refused") {
  for (kj::StringPtr text : {""_kj, "8787"_kj, ":8787"_kj, "127.0.0.1"_kj, "127.0.0.1:"_kj, "127.0.0.1:x"_kj,
                             "127.0.0.1:65536"_kj, "127.0.0.1:-1"_kj, "::1:80"_kj, "[::1:80"_kj, "[x]:80"_kj,
                             "unix:/tmp/x:1"_kj, "127.0.0.1:80 "_kj}) {
    CHECK(parseListenAddress(text) == nullptr);
  }
}

TEST_CASE("this machine reaches a wildcard address by its loopback") {
  CHECK(KJ_ASSERT_NONNULL(parseListenAddress("0.0.0.0:1")).localHost == "127.0.0.1");
  CHECK(KJ_ASSERT_NONNULL(parseListenAddress("*:1")).localHost == "127.0.0.1");
  CHECK(KJ_ASSERT_NONNULL(parseListenAddress("[::]:1")).localHost == "[::1]");
  CHECK(KJ_ASSERT_NONNULL(parseListenAddress("127.0.0.2:1")).localHost == "127.0.0.2");
}

TEST_CASE("an address in use is an error that says so") {
  auto io = kj::setupAsyncIo();
  auto& network = io.provider->getNetwork();
  auto first = openPort(network, "127.0.0.1:0").wait(io.waitScope);
  auto address = kj::str("127.0.0.1:", first->getPort());
  auto failure = kj::runCatchingExceptions([&]() { openPort(network, address).wait(io.waitScope); });
  CHECK(textOf(KJ_ASSERT_NONNULL(failure)) ==
        kj::str(address, " is in use: is another bridge running there? --listen takes another address"));
}

}  // namespace
}  // namespace sandbridge::test
