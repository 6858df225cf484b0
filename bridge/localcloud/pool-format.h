#pragma once
// JSON of the pools, both directions. Pure functions.

#include "localcloud/http-reply.h"
#include "localcloud/pool-record.h"

#include <kj/one-of.h>

namespace sandbridge::localcloud {

// The body of a create or update call. The record has no id and no times yet.
kj::OneOf<PoolRecord, Refusal> parsePool(kj::ArrayPtr<const char> json, kj::StringPtr ns);

// The body of a claim, which may be empty. True: it asks for something (that must be confirmed in the answer).
kj::OneOf<bool, Refusal> parseClaim(kj::ArrayPtr<const char> json);

struct PoolContainer {
  kj::StringPtr id;
  bool idle;
};

kj::String formatPoolCreated(const PoolRecord& record);
void writePool(JsonWriter& json, const PoolRecord& record, kj::ArrayPtr<const PoolContainer> containers);

}  // namespace sandbridge::localcloud
