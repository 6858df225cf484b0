#include "tensorlake/retry.h"

#include "tensorlake/wire.h"

namespace sandbridge::tensorlake {

namespace {

constexpr kj::Duration FIRST_DELAY = 100 * kj::MILLISECONDS;
constexpr kj::Duration MAX_DELAY = 4 * kj::SECONDS;
// Even a lucky draw gives a restarting server a moment.
constexpr kj::Duration MIN_DELAY = 10 * kj::MILLISECONDS;

bool failedBeforeForwarding(const Outcome& outcome) {
  if (outcome.status == 503) {
    return outcome.code == wire::SANDBOX_UPSTREAM_ERROR ||
           outcome.code == wire::SANDBOX_NOT_READY || outcome.code == wire::SANDBOX_UNREACHABLE ||
           outcome.code == wire::AUTH_SERVICE_UNAVAILABLE;
  }
  return outcome.status == 502 && outcome.code == wire::CONNECTION_REFUSED;
}

}  // namespace

bool undelivered(const Outcome& outcome) {
  return !outcome.sent || failedBeforeForwarding(outcome) || outcome.status == 429 ||
         outcome.code == wire::SANDBOX_NOT_RUNNING || outcome.code == wire::SANDBOX_NOT_FOUND;
}

kj::Maybe<kj::Duration> retryDelay(Effect effect, const Outcome& outcome, unsigned attempt,
                                   kj::Duration elapsed, double random) {
  // A sandbox that does not run will not by waiting: its owner has to resume it.
  if (outcome.code == wire::SANDBOX_NOT_RUNNING) return nullptr;

  // A rate limit's refusal comes before anything is done.
  bool again = !outcome.sent || failedBeforeForwarding(outcome) || outcome.status == 429;
  if (effect == Effect::IDEMPOTENT) {
    again = again || outcome.status == 0 || outcome.status == 502 || outcome.status == 503 ||
            outcome.status == 504;
  }
  if (!again) return nullptr;

  auto ceiling = kj::min(FIRST_DELAY * (1u << kj::min(attempt, 10u)), MAX_DELAY);
  auto jittered = ceiling / kj::NANOSECONDS * random;
  auto delay = kj::max(static_cast<int64_t>(jittered) * kj::NANOSECONDS, MIN_DELAY);
  KJ_IF_MAYBE (least, outcome.retryAfter) delay = kj::max(delay, *least);
  if (elapsed + delay > RETRY_BUDGET) return nullptr;
  return delay;
}

kj::Maybe<kj::Duration> parseRetryAfter(kj::StringPtr value) {
  if (value.size() == 0 || value.size() > 9) return nullptr;
  uint64_t seconds = 0;
  for (char c : value) {
    if (c < '0' || c > '9') return nullptr;
    seconds = seconds * 10 + (c - '0');
  }
  return static_cast<int64_t>(kj::min(seconds, uint64_t(86400))) * kj::SECONDS;
}

}  // namespace sandbridge::tensorlake
