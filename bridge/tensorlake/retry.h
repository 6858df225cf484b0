#pragma once
// When a request may be sent again. All of the policy is here, as a pure function.

#include <kj/common.h>
#include <kj/string.h>
#include <kj/time.h>

namespace sandbridge::tensorlake {

enum class Effect {
  IDEMPOTENT,  // twice is as good as once
  ONCE,        // run, start, create, standard input: never again when it may have arrived
};

struct Outcome {        // of one failed attempt
  bool sent = true;     // false: name look-up, connect or TLS failed
  unsigned status = 0;  // 0: no answer
  kj::StringPtr code;
  kj::Maybe<kj::Duration> retryAfter;
};

// TensorLake's deploys take the control plane away for 7 to 30 s.
constexpr kj::Duration RETRY_BUDGET = 30 * kj::SECONDS;

// True when the request was certainly not carried out.
bool undelivered(const Outcome& outcome);

// How long to wait before the next attempt; none: give up. `attempt` counts from 0, `elapsed` from
// the first attempt's start, `random` is in [0, 1): delays have full jitter, so that clients that
// failed together do not return together.
kj::Maybe<kj::Duration> retryDelay(Effect effect, const Outcome& outcome, unsigned attempt,
                                   kj::Duration elapsed, double random);

// Of a Retry-After header: seconds only (dates are ignored), at most a day.
kj::Maybe<kj::Duration> parseRetryAfter(kj::StringPtr value);

}  // namespace sandbridge::tensorlake
