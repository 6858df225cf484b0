#include "network-spec.h"

namespace sandbridge::localcloud {

namespace {

constexpr kj::StringPtr INTERNET = "internet="_kj, REACH = "reach="_kj;

}  // namespace

kj::Array<kj::String> NetworkSpec::toArguments() const {
  kj::Vector<kj::String> result;
  result.add(kj::str(INTERNET, internet ? "1" : "0"));
  for (auto& range : reachable) result.add(kj::str(REACH, toText(range)));
  return result.releaseAsArray();
}

NetworkSpec NetworkSpec::fromArguments(kj::ArrayPtr<char* const> arguments) {
  NetworkSpec spec;
  kj::Vector<AddressRange> ranges;
  for (kj::StringPtr argument : arguments) {
    if (argument.startsWith(INTERNET)) spec.internet = argument.slice(INTERNET.size()) == "1";
    if (argument.startsWith(REACH)) {
      KJ_IF_MAYBE (range, parseAddressRange(argument.slice(REACH.size()))) ranges.add(*range);
    }
  }
  spec.reachable = ranges.releaseAsArray();
  return spec;
}

}  // namespace sandbridge::localcloud
