#pragma once
// What the local cloud does wrong on purpose: which requests fail, and how. Pure: no clock and no network in here.

#include <kj/array.h>
#include <kj/string.h>
#include <kj/time.h>
#include <kj/vector.h>

#include <random>
#include <vector>

namespace sandbridge::localcloud {

struct Fault {
  enum Kind {
    STATUS,  // an error answer
    RESET,   // no answer: the connection is reset (RST)
    CLOSE,   // no answer: it is closed as if all had been said (FIN)
    HANG,    // no answer: it stays open, silent
    CUT,     // the answer, or the stream of frames, ends early
    SLOW,    // it trickles
    OUTAGE,  // the control plane is away
  } kind = STATUS;

  // STATUS, RESET, CLOSE and HANG: after the request has been carried out, and its true answer dropped.
  bool afterEffect = false;
  // CUT, OUTAGE: how the connection ends.
  enum Ending {
    EARLY,  // CUT: closed in the middle, which a client of HTTP can tell; OUTAGE: none, but an answer 503
    BY_RST,
    WHOLE,  // CUT: as if the answer was complete
  } ending = EARLY;
  unsigned status = 0;
  kj::String code;  // empty: an answer in plain text
  kj::Maybe<unsigned> retryAfter;
  uint64_t bytes = 0;  // CUT: passed before; SLOW: a second
  kj::Duration begin = 0 * kj::SECONDS, length = 0 * kj::SECONDS;  // OUTAGE, since the server's start

  // Which requests.
  kj::String path;    // part of the path; a `$` at its end: the end of the path. Empty: any
  kj::String method;  // empty: any
  double rate = 1;    // share of those requests
  uint64_t count = UINT64_MAX;  // how often at most
  uint64_t seed = 0;  // the same seed and the same requests meet the same faults
};

// The words that parseFault takes, for --help.
extern const kj::StringPtr FAULT_WORDS;

// Comma-separated WORD=VALUE. Throws INVALID_ARGUMENT naming what is wrong.
Fault parseFault(kj::StringPtr spec);

// How an instance of the server is shaped. Nothing, by default.
struct Shaping {
  kj::Duration latency = 0 * kj::SECONDS;  // one way
  kj::Vector<Fault> faults;

  bool isNone() const { return latency == 0 * kj::SECONDS && faults.size() == 0; }
};

// What becomes of one request.
struct Treatment {
  kj::Maybe<const Fault&> failure;  // the first that strikes, of those that take the place of the answer
  kj::Maybe<uint64_t> cut;
  Fault::Ending cutEnding = Fault::EARLY;
  kj::Maybe<uint64_t> bytesPerSecond;
};

class Faults {
 public:
  explicit Faults(kj::Array<Fault> list);

  // `path` without the query; `age` of the server.
  Treatment decide(kj::StringPtr method, kj::ArrayPtr<const char> path, kj::Duration age);

 private:
  struct Entry {
    Fault fault;
    std::mt19937_64 random;
    uint64_t hits = 0;
  };
  std::vector<Entry> entries;
};

}  // namespace sandbridge::localcloud
