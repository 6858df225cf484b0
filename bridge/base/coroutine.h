#pragma once
// Minimal C++20 coroutine support for kj::Promise on Cap'n Proto 0.9.
#include <kj/async.h>
#include <kj/exception.h>
#include <kj/debug.h>
#include <coroutine>
#include <exception>

namespace sandbridge::_ {

template <typename T> class Coroutine;

class CoroutineBase {
public:
  std::suspend_never initial_suspend() noexcept { return {}; }
  std::suspend_always final_suspend() noexcept { done = true; return {}; }

  template <typename U>
  struct Awaiter {
    kj::Promise<U> promise;
    CoroutineBase* self = nullptr;
    kj::Maybe<kj::Exception> error;
    kj::Maybe<kj::_::FixVoid<U>> value;
    bool await_ready() { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> h) {
      self = &h.promise();
      if constexpr (std::is_void_v<U>) {
        self->pending = promise.then([this, h]() mutable { value = kj::_::Void(); self->resumeLater(h); },
          [this, h](kj::Exception&& e) mutable { error = kj::mv(e); self->resumeLater(h); }).eagerlyEvaluate(nullptr);
      } else {
        self->pending = promise.then([this, h](U&& v) mutable { value = kj::mv(v); self->resumeLater(h); },
          [this, h](kj::Exception&& e) mutable { error = kj::mv(e); self->resumeLater(h); }).eagerlyEvaluate(nullptr);
      }
    }
    U await_resume() {
      KJ_IF_MAYBE(e, error) { kj::throwFatalException(kj::mv(*e)); }
      if constexpr (!std::is_void_v<U>) return kj::mv(KJ_ASSERT_NONNULL(value));
    }
  };
  template <typename U> Awaiter<U> await_transform(kj::Promise<U>&& p) { return { kj::mv(p) }; }
  template <typename U> Awaiter<U> await_transform(kj::Promise<U>& p) { return { kj::mv(p) }; }

  // Runs the coroutine from inside the continuation. The previous `pending` is the node that is
  // firing now, so it must stay alive until the continuation returns: park it first.
  template <typename H>
  void resumeLater(H h) {
    auto firing = kj::mv(pending);
    running = true;
    kj::Promise<void>* keep = &parked;
    *keep = kj::mv(firing);
    h.resume();
  }
  kj::Promise<void> pending = nullptr, parked = nullptr;
  bool done = false, running = false;
};
template <typename T>
class Coroutine: public CoroutineBase {
public:
  Coroutine(): paf(kj::newPromiseAndFulfiller<T>()) {}
  struct Owner { std::coroutine_handle<Coroutine> h; Owner(std::coroutine_handle<Coroutine> h): h(h){} Owner(Owner&& o): h(o.h){o.h=nullptr;} ~Owner(){ if (h) h.destroy(); } };
  kj::Promise<T> get_return_object() {
    return paf.promise.attach(kj::heap<Owner>(std::coroutine_handle<Coroutine>::from_promise(*this)));
  }
  void unhandled_exception() { try { throw; } catch (kj::Exception& e) { paf.fulfiller->reject(kj::mv(e)); } catch (std::exception& e) { paf.fulfiller->reject(KJ_EXCEPTION(FAILED, e.what())); } }
  template <typename U> void return_value(U&& v) { paf.fulfiller->fulfill(kj::fwd<U>(v)); }
  kj::PromiseFulfillerPair<T> paf;
};
template <>
class Coroutine<void>: public CoroutineBase {
public:
  Coroutine(): paf(kj::newPromiseAndFulfiller<void>()) {}
  struct Owner { std::coroutine_handle<Coroutine> h; Owner(std::coroutine_handle<Coroutine> h): h(h){} Owner(Owner&& o): h(o.h){o.h=nullptr;} ~Owner(){ if (h) h.destroy(); } };
  kj::Promise<void> get_return_object() {
    return paf.promise.attach(kj::heap<Owner>(std::coroutine_handle<Coroutine>::from_promise(*this)));
  }
  void unhandled_exception() { try { throw; } catch (kj::Exception& e) { paf.fulfiller->reject(kj::mv(e)); } catch (std::exception& e) { paf.fulfiller->reject(KJ_EXCEPTION(FAILED, e.what())); } }
  void return_void() { paf.fulfiller->fulfill(); }
  kj::PromiseFulfillerPair<void> paf;
};
}
template <typename T, typename... Args>
struct std::coroutine_traits<kj::Promise<T>, Args...> { using promise_type = sandbridge::_::Coroutine<T>; };
