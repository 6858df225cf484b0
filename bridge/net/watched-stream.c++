#include "net/watched-stream.h"

#include "base/coroutine.h"

#include <string.h>

#include <kj/debug.h>

namespace sandbridge {

constexpr size_t READ_AHEAD = 16 * 1024;

WatchedStream::WatchedStream(kj::Own<kj::AsyncIoStream> inner)
    : PassThroughStream(kj::mv(inner)), gone(nullptr) {
  auto paf = kj::newPromiseAndFulfiller<void>();
  goneFulfiller = kj::mv(paf.fulfiller);
  gone = paf.promise.fork();
}

void WatchedStream::watch(bool on) {
  watched = on;
  readAheadWhenIdle();
}

// Only when the event loop has nothing else to do, so that a reader who comes right back reads directly.
void WatchedStream::readAheadWhenIdle() {
  if (!watched || readingAhead || readingDirectly) return;
  task = kj::evalLast([this]() -> kj::Promise<void> { return readAhead(); }).eagerlyEvaluate(nullptr);
}

kj::Promise<void> WatchedStream::readAhead() {
  if (!watched || readingDirectly || unread.size() > 0 || ended || failure != nullptr) co_return;
  if (ahead.size() == 0) ahead = kj::heapArray<kj::byte>(READ_AHEAD);
  readingAhead = true;
  try {
    auto n = co_await inner->tryRead(ahead.begin(), 1, ahead.size());
    unread = ahead.slice(0, n);
    if (n == 0) end();
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
    end();
  }
  readingAhead = false;
  KJ_IF_MAYBE (w, waiter) { (*w)->fulfill(); }
}

void WatchedStream::end() {
  ended = true;
  goneFulfiller->fulfill();
}

kj::Promise<size_t> WatchedStream::tryRead(void* buffer, size_t minBytes, size_t maxBytes) {
  auto out = static_cast<kj::byte*>(buffer);
  size_t total = 0;
  if (readingAhead) {
    // Cancelling a read could lose what it has read.
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiter = kj::mv(paf.fulfiller);
    co_await paf.promise;
    waiter = nullptr;
  }
  if (unread.size() > 0) {
    total = kj::min(unread.size(), maxBytes);
    memcpy(out, unread.begin(), total);
    unread = unread.slice(total, unread.size());
  }
  if (total < minBytes) {
    KJ_IF_MAYBE (e, failure) { kj::throwFatalException(kj::cp(*e)); }
    if (ended) co_return total;
    readingDirectly = true;
    KJ_DEFER(readingDirectly = false);
    try {
      auto n = co_await inner->tryRead(out + total, minBytes - total, maxBytes - total);
      if (n < minBytes - total) end();
      total += n;
    } catch (kj::Exception& e) {
      failure = kj::cp(e);
      end();
      throw;
    }
  }
  readAheadWhenIdle();
  co_return total;
}

}  // namespace sandbridge
