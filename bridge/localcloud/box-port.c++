#include "localcloud/box-port.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "localcloud/daemon-connection.h"

namespace sandbridge::localcloud {

kj::Promise<kj::OneOf<kj::Own<kj::AsyncIoStream>, Refusal>> openPort(Sandbox& sandbox, uint16_t port) {
  using Result = kj::OneOf<kj::Own<kj::AsyncIoStream>, Refusal>;
  auto unreachable = co_await whenReachable(sandbox, true);
  KJ_IF_MAYBE(refusal, unreachable) co_return Result(kj::mv(*refusal));
  kj::Maybe<kj::Exception> failure;
  try {
    auto& box = KJ_ASSERT_NONNULL(sandbox.runningBox());
    co_return Result(co_await sandbox.streams.wrap(box.connectPort(port)));
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  KJ_IF_MAYBE(e, failure) {
    bool refused = kindOf(*e) == ErrorKind::UNAVAILABLE;
    co_return Result(Refusal{502, refused ? "CONNECTION_REFUSED"_kj : "PROXY_ERROR"_kj,
        kj::str("in sandbox ", sandbox.record().id, ": ", textOf(*e))});
  }
  KJ_UNREACHABLE;
}

}  // namespace sandbridge::localcloud
