#include "localcloud/shaped-connection.h"

#include "base/coroutine.h"

#include <kj/debug.h>
#include <kj/vector.h>

#include <sys/socket.h>

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration TRICKLE = 50 * kj::MILLISECONDS;

kj::Exception broken() { return KJ_EXCEPTION(DISCONNECTED, "the connection is broken on purpose"); }

}  // namespace

ShapedConnection::ShapedConnection(kj::Own<kj::AsyncIoStream> innerParam, kj::Timer& timer)
    : PassThroughStream(kj::mv(innerParam)), timer(timer), ended(nullptr) {
  auto paf = kj::newPromiseAndFulfiller<void>();
  endedFulfiller = kj::mv(paf.fulfiller);
  ended = paf.promise.fork();
}

void ShapedConnection::reset() {
  if (over) return;
  struct linger atOnce = {1, 0};
  inner->setsockopt(SOL_SOCKET, SO_LINGER, &atOnce, sizeof(atOnce));
  end();
}

void ShapedConnection::end() {
  over = true;
  endedFulfiller->fulfill();
}

void ShapedConnection::shapeFrames(Frames framesParam) {
  frames = kj::mv(framesParam);
  handshakeDue = true;
}

template <typename T>
kj::Promise<T> ShapedConnection::untilEnd(kj::Promise<T> promise) {
  return promise.exclusiveJoin(ended.addBranch().then([]() -> kj::Promise<T> { return broken(); }));
}

kj::Promise<size_t> ShapedConnection::tryRead(void* buffer, size_t minBytes, size_t maxBytes) {
  if (over) return broken();
  return untilEnd(inner->tryRead(buffer, minBytes, maxBytes));
}

kj::Promise<void> ShapedConnection::write(const void* buffer, size_t size) {
  if (over) return broken();
  if (frames == nullptr || handshakeDue) {
    handshakeDue = false;
    return untilEnd(inner->write(buffer, size));
  }
  return writeFrames(kj::heapArray<kj::byte>(static_cast<const kj::byte*>(buffer), size));
}

kj::Promise<void> ShapedConnection::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  if (over) return broken();
  if (frames == nullptr || handshakeDue) {
    handshakeDue = false;
    return untilEnd(inner->write(pieces));
  }
  kj::Vector<kj::byte> all;
  for (auto piece: pieces) all.addAll(piece);
  return writeFrames(all.releaseAsArray());
}

kj::Promise<void> ShapedConnection::writeFrames(kj::Array<kj::byte> bytes) {
  auto& shape = KJ_ASSERT_NONNULL(frames);
  auto now = bytes.asPtr();
  bool cut = false;
  KJ_IF_MAYBE(left, shape.cut) {
    cut = *left < now.size();
    now = now.slice(0, kj::min(now.size(), *left));
    *left -= now.size();
  }
  KJ_IF_MAYBE(rate, shape.bytesPerSecond) {
    co_await untilEnd(trickle(*inner, now, *rate, timer));
  } else {
    co_await untilEnd(inner->write(now.begin(), now.size()));
  }
  if (!cut) co_return;
  if (shape.byRst) {
    reset();
  } else {
    inner->shutdownWrite();
    end();
  }
  kj::throwFatalException(broken());
}

kj::Promise<void> ShapedConnection::whenWriteDisconnected() {
  return inner->whenWriteDisconnected().exclusiveJoin(ended.addBranch());
}

void ShapedConnection::shutdownWrite() {
  if (!over) inner->shutdownWrite();
}

kj::Promise<void> trickle(kj::AsyncOutputStream& to, kj::ArrayPtr<const kj::byte> bytes, uint64_t bytesPerSecond,
                          kj::Timer& timer) {
  size_t step = kj::max<uint64_t>(1, bytesPerSecond / static_cast<uint64_t>(kj::SECONDS / TRICKLE));
  while (bytes.size() > 0) {
    auto now = bytes.slice(0, kj::min(bytes.size(), step));
    co_await to.write(now.begin(), now.size());
    bytes = bytes.slice(now.size(), bytes.size());
    co_await timer.afterDelay(static_cast<int64_t>(now.size() * 1e9 / bytesPerSecond) * kj::NANOSECONDS);
  }
}

}  // namespace sandbridge::localcloud
