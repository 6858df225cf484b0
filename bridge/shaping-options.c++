#include "shaping-options.h"

#include "base/error.h"
#include "localcloud/http-reply.h"

namespace sandbridge {

// Longer than any link, shorter than the clients' patience.
constexpr uint64_t MAX_LATENCY_MS = 60000;

kj::String faultHelp() {
  return kj::str("Makes requests to the local sandboxes' server fail, for tests of clients. Repeatable. SPEC is WORD=VALUE, "
                 "with commas between: ", localcloud::FAULT_WORDS,
                 ". As status=503:SANDBOX_NOT_READY,path=/processes/run,rate=0.2");
}

kj::Function<kj::MainBuilder::Validity(kj::StringPtr)> takeLatency(localcloud::Shaping& shaping) {
  return [&shaping](kj::StringPtr value) -> kj::MainBuilder::Validity {
    KJ_IF_MAYBE(ms, localcloud::parseDecimal(value, MAX_LATENCY_MS)) {
      shaping.latency = *ms * kj::MILLISECONDS;
      return true;
    }
    return kj::str("it takes milliseconds, a whole number up to ", MAX_LATENCY_MS);
  };
}

kj::Function<kj::MainBuilder::Validity(kj::StringPtr)> takeFault(localcloud::Shaping& shaping) {
  return [&shaping](kj::StringPtr value) -> kj::MainBuilder::Validity {
    try {
      shaping.faults.add(localcloud::parseFault(value));
    } catch (kj::Exception& e) {
      if (kindOf(e) != ErrorKind::INVALID_ARGUMENT) throw;
      return textOf(e);
    }
    return true;
  };
}

}  // namespace sandbridge
