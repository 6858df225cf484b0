#pragma once
// A clock that goes too fast, so that a test of a deadline of minutes takes a moment.

#include <kj/timer.h>

namespace sandbridge {

class FastTimer final : public kj::Timer {
 public:
  FastTimer(kj::Timer& real, unsigned speed) : real(real), speed(speed), begin(real.now()) {}

  kj::TimePoint now() const override { return begin + (real.now() - begin) * speed; }
  kj::Promise<void> atTime(kj::TimePoint time) override {
    return real.atTime(begin + (time - begin) / speed + 1 * kj::NANOSECONDS);
  }
  kj::Promise<void> afterDelay(kj::Duration delay) override { return atTime(now() + delay); }

 private:
  kj::Timer& real;
  int64_t speed;
  kj::TimePoint begin;
};

}  // namespace sandbridge
