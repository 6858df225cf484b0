#include "localcloud/faults.h"

#include "base/error.h"
#include "localcloud/http-reply.h"

#include <stdlib.h>
#include <string.h>

namespace sandbridge::localcloud {

// What is not below this path goes to the control plane.
constexpr kj::StringPtr DATA_PLANE = "/api/v1/"_kj;

const kj::StringPtr FAULT_WORDS =
    "one of status=CODE[:NAME] (an error answer, as 503:SANDBOX_NOT_READY), reset=WHEN (no answer: the connection is reset, "
    "before or after the request was carried out), close=WHEN (no answer: it is closed), hang=WHEN (no answer: it stays open, "
    "silent), cut=BYTES[:END] (of the answer, or of the frames of a WebSocket, in the middle of one; then the connection is "
    "closed, or with END reset is reset, or with END whole it looks complete), slow=BYTES_PER_SECOND (of the answer, or of "
    "the frames to the client), outage=SECONDS[@START][:reset] (the control plane answers 503, or resets, from START seconds "
    "after this server's start on); WHEN is before or after; and any of path=PART (of the path; PART$ is its end), method=METHOD, rate=0..1 (share of "
    "those requests, default 1), count=N (at most N times), seed=N (of the rate's draws), and for status when=before or "
    "when=after, retry-after=SECONDS"_kj;

namespace {

// Longer would overflow nothing, but is a mistake: a day.
constexpr uint64_t MAX_SECONDS = 86400;

[[noreturn]] void wrong(kj::StringPtr word, kj::StringPtr why) {
  throwError(ErrorKind::INVALID_ARGUMENT, kj::str(word, ": ", why));
}

uint64_t numberIn(kj::StringPtr word, kj::ArrayPtr<const char> text, uint64_t max) {
  KJ_IF_MAYBE(number, parseDecimal(text, max)) return *number;
  wrong(word, kj::str("it takes a whole number up to ", max));
}

// Of "reset" and "when".
bool isAfter(kj::StringPtr word, kj::StringPtr value) {
  if (value == "before") return false;
  if (value == "after") return true;
  wrong(word, "it takes before or after");
}

double rateIn(kj::StringPtr word, kj::StringPtr value) {
  char* end = nullptr;
  bool plain = value.size() > 0 && strspn(value.cStr(), "0123456789.") == value.size();
  double rate = plain ? strtod(value.cStr(), &end) : -1;
  if (!plain || *end != '\0' || rate > 1) wrong(word, "it takes a share from 0 to 1, as 0.2");
  return rate;
}

// Cuts ":WORD" off the end of `value`. False: there is none.
bool takeSuffix(kj::String& value, kj::StringPtr word) {
  if (!value.endsWith(kj::str(':', word))) return false;
  value = kj::heapString(value.slice(0, value.size() - word.size() - 1));
  return true;
}

bool isIn(kj::StringPtr part, kj::ArrayPtr<const char> path) {
  bool atEnd = part.endsWith("$");
  auto wanted = part.slice(0, part.size() - (atEnd ? 1 : 0));
  if (wanted.size() > path.size()) return false;
  if (atEnd) return path.slice(path.size() - wanted.size(), path.size()) == wanted;
  return memmem(path.begin(), path.size(), wanted.begin(), wanted.size()) != nullptr;
}

bool startsWith(kj::ArrayPtr<const char> path, kj::StringPtr prefix) {
  return path.size() >= prefix.size() && path.slice(0, prefix.size()) == prefix.asArray();
}

}  // namespace

Fault parseFault(kj::StringPtr spec) {
  Fault fault;
  kj::Vector<kj::String> seen;
  unsigned kinds = 0;
  auto is = [&](Fault::Kind kind) {
    fault.kind = kind;
    ++kinds;
  };
  bool whenGiven = false;

  for (size_t begin = 0; begin <= spec.size();) {
    size_t end = begin;
    while (end < spec.size() && spec[end] != ',') ++end;
    auto word = kj::heapString(spec.slice(begin, end));
    begin = end + 1;

    auto equals = word.findFirst('=').orDefault(word.size());
    auto name = kj::heapString(word.slice(0, equals));
    auto value = equals < word.size() ? kj::heapString(word.slice(equals + 1)) : kj::String();
    if (value.size() == 0) wrong(word, "a fault is made of WORD=VALUE, with commas between them");
    for (auto& other: seen) {
      if (other == name) wrong(name, "it is given twice");
    }

    if (name == "status") {
      is(Fault::STATUS);
      size_t colon = value.findFirst(':').orDefault(value.size());
      fault.status = numberIn(word, value.slice(0, colon), 599);
      if (fault.status < 400) wrong(word, "it takes an error's status, from 400 to 599");
      if (colon < value.size()) fault.code = kj::heapString(value.slice(colon + 1));
    } else if (name == "reset") {
      is(Fault::RESET);
      fault.afterEffect = isAfter(word, value);
    } else if (name == "close" || name == "hang") {
      is(name == "close" ? Fault::CLOSE : Fault::HANG);
      fault.afterEffect = isAfter(word, value);
    } else if (name == "cut") {
      is(Fault::CUT);
      if (takeSuffix(value, "reset")) fault.ending = Fault::BY_RST;
      else if (takeSuffix(value, "whole")) fault.ending = Fault::WHOLE;
      fault.bytes = numberIn(word, value, UINT64_MAX);
    } else if (name == "slow") {
      is(Fault::SLOW);
      fault.bytes = numberIn(word, value, UINT64_MAX);
      if (fault.bytes == 0) wrong(word, "no bytes a second would be no answer at all");
    } else if (name == "outage") {
      is(Fault::OUTAGE);
      if (takeSuffix(value, "reset")) fault.ending = Fault::BY_RST;
      fault.status = 503;
      size_t at = value.findFirst('@').orDefault(value.size());
      fault.length = numberIn(word, value.slice(0, at), MAX_SECONDS) * kj::SECONDS;
      if (at < value.size()) fault.begin = numberIn(word, value.slice(at + 1), MAX_SECONDS) * kj::SECONDS;
    } else if (name == "path") {
      fault.path = kj::mv(value);
    } else if (name == "method") {
      fault.method = kj::mv(value);
    } else if (name == "rate") {
      fault.rate = rateIn(word, value);
    } else if (name == "count") {
      fault.count = numberIn(word, value, UINT64_MAX);
    } else if (name == "seed") {
      fault.seed = numberIn(word, value, UINT64_MAX);
    } else if (name == "when") {
      fault.afterEffect = isAfter(word, value);
      whenGiven = true;
    } else if (name == "retry-after") {
      fault.retryAfter = static_cast<unsigned>(numberIn(word, value, MAX_SECONDS));
    } else {
      wrong(name, "there is no such word in a fault");
    }
    seen.add(kj::mv(name));
  }

  if (kinds != 1) wrong(spec, "a fault has exactly one of status, reset, close, hang, cut, slow and outage");
  if (fault.kind != Fault::STATUS && (whenGiven || fault.retryAfter != nullptr)) {
    wrong(spec, "when and retry-after go with status only");
  }
  return fault;
}

Faults::Faults(kj::Array<Fault> list) {
  for (auto& fault: list) {
    auto seed = fault.seed;
    entries.push_back(Entry{kj::mv(fault), std::mt19937_64(seed)});
  }
}

Treatment Faults::decide(kj::StringPtr method, kj::ArrayPtr<const char> path, kj::Duration age) {
  Treatment treatment;
  for (auto& entry: entries) {
    auto& fault = entry.fault;
    if (fault.method.size() > 0 && fault.method != method) continue;
    if (!isIn(fault.path, path)) continue;
    if (fault.kind == Fault::OUTAGE) {
      bool now = age >= fault.begin && age < fault.begin + fault.length;
      if (!now || startsWith(path, DATA_PLANE)) continue;
    }
    // Our own arithmetic: what the standard distributions draw differs between libraries.
    double draw = static_cast<double>(entry.random() >> 11) * 0x1p-53;
    if (draw >= fault.rate || entry.hits >= fault.count) continue;

    if (fault.kind == Fault::CUT) {
      if (treatment.cut == nullptr) {
        treatment.cut = fault.bytes;
        treatment.cutEnding = fault.ending;
      }
    } else if (fault.kind == Fault::SLOW) {
      if (treatment.bytesPerSecond == nullptr) treatment.bytesPerSecond = fault.bytes;
    } else {
      if (treatment.failure != nullptr) continue;
      treatment.failure = fault;
    }
    ++entry.hits;
  }
  return treatment;
}

}  // namespace sandbridge::localcloud
