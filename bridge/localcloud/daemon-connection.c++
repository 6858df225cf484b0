#include "localcloud/daemon-connection.h"

#include "base/coroutine.h"
#include "base/error.h"

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration CONNECT_DEADLINE = 10 * kj::SECONDS;  // as TensorLake's own proxy has it

}  // namespace

kj::Promise<kj::Maybe<Refusal>> whenReachable(Sandbox& sandbox, bool wakes) {
  for (;;) {
    auto refusal = co_await sandbox.ready(wakes);
    // It may have changed again before we got here.
    if (refusal != nullptr || sandbox.runningBox() != nullptr) co_return kj::mv(refusal);
  }
}

kj::Promise<kj::Own<kj::AsyncIoStream>> connectToDaemon(Box& box, kj::Timer& timer) {
  // Fails, at once or later, when nobody listens.
  auto connecting = kj::evalNow([&]() {
    return box.connect();
  }).catch_([](kj::Exception&& e) -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
    return proxyError(502, "CONNECTION_REFUSED",
                      kj::str("the sandbox's daemon cannot be reached: ", textOf(e)));
  });
  auto slow = timer.afterDelay(CONNECT_DEADLINE).then([]() -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
    return proxyError(504, "CONNECTION_TIMEOUT", "the sandbox's daemon does not take the connection");
  });
  return connecting.exclusiveJoin(kj::mv(slow));
}

kj::Exception proxyError(unsigned status, kj::StringPtr code, kj::StringPtr text) {
  return kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                       kj::str(status, ' ', code, ' ', text));
}

Refusal refusalOf(const kj::Exception& e) {
  struct Known {
    unsigned status;
    kj::StringPtr code;
  };
  static constexpr Known KNOWN[] = {
      {502, "CONNECTION_CLOSED"_kj}, {502, "CONNECTION_REFUSED"_kj}, {504, "CONNECTION_TIMEOUT"_kj},
      {504, "READ_TIMEOUT"_kj},      {504, "WRITE_TIMEOUT"_kj},      {408, "REQUEST_TIMEOUT"_kj},
  };
  auto description = e.getDescription();
  for (auto& known: KNOWN) {
    auto prefix = kj::str(known.status, ' ', known.code, ' ');
    if (description.startsWith(prefix)) {
      return {known.status, known.code, kj::heapString(description.slice(prefix.size()))};
    }
  }
  return {502, "CONNECTION_CLOSED"_kj, kj::str("the connection to the sandbox broke: ", textOf(e))};
}

}  // namespace sandbridge::localcloud
