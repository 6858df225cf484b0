#pragma once
// What the fuzz targets share. A target is one file that defines test(), which feeds hostile bytes to a parser and
// requires properties of what comes out.

#include <kj/async.h>
#include <kj/exception.h>
#include <kj/string.h>

#include <random>

namespace sandbridge::fuzz {

using Bytes = kj::ArrayPtr<const kj::byte>;

// The target. Called with one input after the other.
void test(Bytes bytes);

// Ends the process, naming the property that does not hold; libFuzzer then keeps the input.
void require(bool holds, kj::StringPtr property);

// That a failure is one of base/error.h, made on purpose, with a sentence of valid UTF-8.
void requireOurs(const kj::Exception& e);

// Cuts bytes at places that depend on nothing but the bytes: an input says everything, and can be written by hand.
class Pieces {
 public:
  explicit Pieces(Bytes bytes);

  // None at the end.
  kj::Maybe<Bytes> next();

 private:
  Bytes rest;
  std::mt19937 random;
};

// The parts of an input between lines that are "====". At least one.
kj::Array<kj::ArrayPtr<const char>> parts(Bytes input);

// The one event loop of a target. It has no clock and no sockets: what waits for either hangs, and waiting for what hangs
// throws, which ends the process.
kj::WaitScope& waitScope();

}  // namespace sandbridge::fuzz
