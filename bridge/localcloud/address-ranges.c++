#include "localcloud/address-ranges.h"

#include <algorithm>

namespace sandbridge::localcloud {

namespace {

// Four numbers and nothing else. Leading zeros are refused: some programs read them as octal.
kj::Maybe<uint32_t> parseAddress(kj::ArrayPtr<const char> text) {
  uint32_t address = 0;
  size_t at = 0;
  for (int part = 0; part < 4; part++) {
    if (part > 0 && (at >= text.size() || text[at++] != '.')) return nullptr;
    size_t begin = at;
    uint32_t value = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 3) {
      value = value * 10 + static_cast<uint32_t>(text[at++] - '0');
    }
    if (at == begin || value > 255 || (text[begin] == '0' && at - begin > 1)) return nullptr;
    address = address << 8 | value;
  }
  if (at != text.size()) return nullptr;
  return address;
}

kj::String addressText(uint32_t address) {
  return kj::str(address >> 24, '.', address >> 16 & 255, '.', address >> 8 & 255, '.', address & 255);
}

}  // namespace

kj::Maybe<AddressRange> parseAddressRange(kj::StringPtr text) {
  KJ_IF_MAYBE(slash, text.findFirst('/')) {
    auto length = text.slice(*slash + 1);
    if (length.size() == 0 || length.size() > 2) return nullptr;
    uint32_t bits = 0;
    for (char c: length) {
      if (c < '0' || c > '9') return nullptr;
      bits = bits * 10 + static_cast<uint32_t>(c - '0');
    }
    if (bits > 32 || (length.size() == 2 && length[0] == '0')) return nullptr;
    uint32_t mask = bits == 0 ? 0 : ~0u << (32 - bits);
    return parseAddress(text.slice(0, *slash)).map([&](uint32_t address) {
      return AddressRange{address & mask, address | ~mask};
    });
  }
  KJ_IF_MAYBE(hyphen, text.findFirst('-')) {
    KJ_IF_MAYBE(first, parseAddress(text.slice(0, *hyphen))) {
      KJ_IF_MAYBE(last, parseAddress(text.slice(*hyphen + 1))) {
        if (*first <= *last) return AddressRange{*first, *last};
      }
    }
    return nullptr;
  }
  return parseAddress(text).map([](uint32_t address) { return AddressRange{address, address}; });
}

kj::String toText(const AddressRange& range) {
  if (range.first == range.last) return addressText(range.first);
  return kj::str(addressText(range.first), '-', addressText(range.last));
}

kj::Array<AddressRange> merged(kj::ArrayPtr<const AddressRange> ranges) {
  auto sorted = kj::heapArray<AddressRange>(ranges);
  std::sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.first < b.first; });
  kj::Vector<AddressRange> result;
  for (auto& range: sorted) {
    if (result.size() > 0 && (result.back().last == UINT32_MAX || range.first <= result.back().last + 1)) {
      result.back().last = kj::max(result.back().last, range.last);
    } else {
      result.add(range);
    }
  }
  return result.releaseAsArray();
}

kj::Array<AddressRange> without(kj::ArrayPtr<const AddressRange> ranges, kj::ArrayPtr<const AddressRange> taken) {
  auto holes = merged(taken);
  kj::Vector<AddressRange> result;
  for (auto& range: merged(ranges)) {
    // Wider than an address, so that what begins after the last one is empty.
    uint64_t first = range.first;
    for (auto& hole: holes) {
      if (hole.last < first || hole.first > range.last) continue;
      if (hole.first > first) result.add(AddressRange{static_cast<uint32_t>(first), hole.first - 1});
      first = static_cast<uint64_t>(hole.last) + 1;
    }
    if (first <= range.last) result.add(AddressRange{static_cast<uint32_t>(first), range.last});
  }
  return result.releaseAsArray();
}

}  // namespace sandbridge::localcloud
