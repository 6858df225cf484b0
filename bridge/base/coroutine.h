#pragma once
// C++20 coroutines for kj::Promise of Cap'n Proto 0.9.2, which has none: a function that returns kj::Promise<T> may
// `co_await` other promises and `co_return` a T. After the design of KJ 0.10's own.
//
// - The body starts at once and runs until its first `co_await`; what it throws comes out of the promise.
// - The promise owns the coroutine. Dropping the promise cancels the `co_await` that it stands at and then destroys the locals,
//   last made first. A coroutine must therefore not drop its own promise.
// - `co_await` consumes its promise, lvalue or not, and throws as kj::Exception what it was rejected with.
// - Each `co_await` returns to the event loop, so loops over ready promises do not grow the stack.
// - Parameters that are references, and the captures of a lambda, must outlive the promise.

#include <kj/async.h>
#include <kj/debug.h>
#include <kj/exception.h>

#include <coroutine>
#include <exception>
#include <new>

namespace sandbridge::_ {

template <typename T>
class Coroutine;

// The exception being handled now.
inline kj::Exception caughtException() {
  try {
    throw;
  } catch (kj::Exception& e) {
    return kj::mv(e);
  } catch (std::bad_alloc&) {
    return KJ_EXCEPTION(OVERLOADED, "out of memory");
  } catch (std::exception& e) {
    return KJ_EXCEPTION(FAILED, kj::str(e.what()));
  } catch (...) {
    return KJ_EXCEPTION(FAILED, kj::str("exception of type ", kj::getCaughtExceptionType()));
  }
}

// At once the node behind the coroutine's promise, the event that resumes it, and what its frame begins with.
class CoroutineBase : public kj::_::PromiseNode, public kj::_::Event, protected kj::Disposer {
 public:
  CoroutineBase(std::coroutine_handle<> handle, kj::_::ExceptionOrValue& result)
      : handle(handle), result(result) {}
  ~CoroutineBase() noexcept(false) {
    KJ_IF_MAYBE (d, disposal) { d->destroyed = true; }
  }
  KJ_DISALLOW_COPY(CoroutineBase);

  std::suspend_never initial_suspend() noexcept { return {}; }
  std::suspend_always final_suspend() noexcept {
    if (disposal == nullptr) ready.arm();
    return {};
  }

  void unhandled_exception() {
    auto exception = caughtException();
    KJ_IF_MAYBE (d, disposal) {
      if (d->exception == nullptr) d->exception = kj::mv(exception);
    } else {
      // A value may be there already, if a local's destructor threw behind co_return.
      result.addException(kj::mv(exception));
    }
  }

  class AwaiterBase {
   public:
    AwaiterBase(kj::Own<kj::_::PromiseNode> node, kj::_::ExceptionOrValue& result)
        : node(kj::mv(node)), result(result) {}
    AwaiterBase(AwaiterBase&&) = delete;
    ~AwaiterBase() noexcept(false) {
      KJ_IF_MAYBE (c, coroutine) { c->awaiter = nullptr; }
      unwindDetector.catchExceptionsIfUnwinding([this]() { node = nullptr; });
    }

    bool await_ready() noexcept { return false; }

   protected:
    void suspend(CoroutineBase& self) noexcept {
      coroutine = self;
      self.awaiter = *this;
      node->setSelfPointer(&node);
      node->onReady(&self);
    }

   private:
    friend class CoroutineBase;

    kj::Own<kj::_::PromiseNode> node;
    kj::_::ExceptionOrValue& result;
    kj::Maybe<CoroutineBase&> coroutine;
    kj::UnwindDetector unwindDetector;

    void finish() {
      node->get(result);
      // Frees what the promise held before the body goes on, as .then() does.
      KJ_IF_MAYBE (e, kj::runCatchingExceptions([this]() { node = nullptr; })) {
        result.addException(kj::mv(*e));
      }
    }
  };

  template <typename U>
  class Awaiter final : public AwaiterBase {
   public:
    explicit Awaiter(kj::Promise<U>&& promise)
        : AwaiterBase(kj::_::PromiseNode::from(kj::mv(promise)), outcome) {}

    template <typename T>
    void await_suspend(std::coroutine_handle<Coroutine<T>> handle) noexcept {
      suspend(handle.promise());
    }
    U await_resume() {
      KJ_IF_MAYBE (e, outcome.exception) { kj::throwFatalException(kj::mv(*e)); }
      return kj::_::convertToReturn(kj::mv(outcome));
    }

   private:
    kj::_::ExceptionOr<kj::_::FixVoid<U>> outcome;
  };

  template <typename U>
  Awaiter<U> await_transform(kj::Promise<U>&& promise) {
    return Awaiter<U>(kj::mv(promise));
  }
  template <typename U>
  Awaiter<U> await_transform(kj::Promise<U>& promise) {
    return Awaiter<U>(kj::mv(promise));
  }
  Awaiter<void> await_transform(kj::_::NeverDone never) {
    return Awaiter<void>(kj::Promise<void>(never));
  }

 protected:
  kj::Own<kj::_::PromiseNode> own() { return kj::Own<kj::_::PromiseNode>(this, *this); }

  void get(kj::_::ExceptionOrValue& output) noexcept override = 0;

 private:
  struct Disposal {
    bool destroyed = false;
    kj::Maybe<kj::Exception> exception;
  };

  std::coroutine_handle<> handle;
  kj::_::ExceptionOrValue& result;
  OnReadyEvent ready;
  kj::Maybe<AwaiterBase&> awaiter;
  kj::Maybe<Disposal&> disposal;
  kj::UnwindDetector unwindDetector;

  void onReady(Event* event) noexcept override { ready.init(event); }

  void tracePromise(kj::_::TraceBuilder& builder, bool stopAtNextEvent) override {
    if (stopAtNextEvent) return;
    KJ_IF_MAYBE (a, awaiter) {
      if (a->node.get() != nullptr) a->node->tracePromise(builder, false);
    }
  }
  void traceEvent(kj::_::TraceBuilder& builder) override {
    KJ_IF_MAYBE (a, awaiter) {
      if (a->node.get() != nullptr) a->node->tracePromise(builder, true);
    }
    ready.traceEvent(builder);
  }

  kj::Maybe<kj::Own<Event>> fire() override {
    auto& a = KJ_ASSERT_NONNULL(awaiter);
    awaiter = nullptr;
    a.coroutine = nullptr;
    a.finish();
    handle.resume();
    return nullptr;
  }

  // Called when the promise is dropped, before or after the end.
  void disposeImpl(void*) const override { const_cast<CoroutineBase*>(this)->destroy(); }

  void destroy() {
    Disposal d;
    disposal = d;
    bool rethrow = !unwindDetector.isUnwinding();
    auto h = handle;
    // When a local's destructor throws, clang hands that to unhandled_exception() and stops at the final suspend point with
    // the frame still there: destroy it again.
    do {
      h.destroy();
    } while (!d.destroyed);
    if (rethrow) {
      KJ_IF_MAYBE (e, d.exception) { kj::throwFatalException(kj::mv(*e)); }
    }
  }
};

template <typename T>
class Coroutine final : public CoroutineBase {
 public:
  Coroutine() : CoroutineBase(std::coroutine_handle<Coroutine>::from_promise(*this), outcome) {}

  kj::Promise<T> get_return_object() { return kj::_::PromiseNode::to<kj::Promise<T>>(own()); }

  template <typename U = T>
  void return_value(U&& value) {
    outcome.value = T(kj::fwd<U>(value));
  }

 private:
  kj::_::ExceptionOr<T> outcome;

  void get(kj::_::ExceptionOrValue& output) noexcept override { output.as<T>() = kj::mv(outcome); }
};

template <>
class Coroutine<void> final : public CoroutineBase {
 public:
  Coroutine() : CoroutineBase(std::coroutine_handle<Coroutine>::from_promise(*this), outcome) {}

  kj::Promise<void> get_return_object() {
    return kj::_::PromiseNode::to<kj::Promise<void>>(own());
  }

  void return_void() { outcome.value = kj::_::Void(); }

 private:
  kj::_::ExceptionOr<kj::_::Void> outcome;

  void get(kj::_::ExceptionOrValue& output) noexcept override {
    output.as<kj::_::Void>() = kj::mv(outcome);
  }
};

}  // namespace sandbridge::_

template <typename T, typename... Args>
struct std::coroutine_traits<kj::Promise<T>, Args...> {
  using promise_type = sandbridge::_::Coroutine<T>;
};
