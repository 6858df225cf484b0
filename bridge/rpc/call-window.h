#pragma once
// Calls in flight to one capability, by bytes: the flow control of a stream whose interface has no `done`. capnp's own
// streaming calls cannot be waited for at the end, and 0.9.2 cancels the ones still open when their capability is dropped.

#include <kj/async.h>
#include <kj/vector.h>

namespace sandbridge {

class CallWindow final : private kj::TaskSet::ErrorHandler {
 public:
  explicit CallWindow(size_t size): size(size) {}
  KJ_DISALLOW_COPY(CallWindow);

  // Takes a call of this many bytes that was just sent; resolves when there is room for the next one. Rejects as soon as
  // any call has failed, and so does all that follows.
  kj::Promise<void> add(kj::Promise<void> call, size_t bytes);

  // Resolves when every call was answered.
  kj::Promise<void> drain();

 private:
  size_t size;
  size_t inFlight = 0;
  unsigned open = 0;
  kj::Maybe<kj::Exception> error;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> waiters;
  kj::TaskSet calls{*this};  // last: its end must find the rest alive

  kj::Promise<void> changed();
  void wake();
  void taskFailed(kj::Exception&& e) override;
};

}  // namespace sandbridge
