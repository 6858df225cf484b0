#pragma once
// IPv4 addresses as sets: what lists of addresses and CIDRs mean.

#include <stdint.h>

#include <kj/array.h>
#include <kj/common.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

// Both ends belong to it; in host byte order.
struct AddressRange {
  uint32_t first, last;

  bool isWithin(const AddressRange& other) const { return other.first <= first && last <= other.last; }
  bool operator==(const AddressRange& other) const { return first == other.first && last == other.last; }
};

// "10.1.2.3", "10.0.0.0/8" (bits behind the prefix do not count), or "10.0.0.1-10.0.0.9" as toText() writes it.
kj::Maybe<AddressRange> parseAddressRange(kj::StringPtr text);
kj::String toText(const AddressRange& range);

// The same set in order, without overlaps and neighbours.
kj::Array<AddressRange> merged(kj::ArrayPtr<const AddressRange> ranges);

// What is in `ranges` and not in `taken`; merged.
kj::Array<AddressRange> without(kj::ArrayPtr<const AddressRange> ranges, kj::ArrayPtr<const AddressRange> taken);

}  // namespace sandbridge::localcloud
