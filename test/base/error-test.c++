#include "base/error.h"

#include <catch2/catch.hpp>
#include <kj/debug.h>

namespace sandbridge {
namespace {

const ErrorKind KINDS[] = {ErrorKind::NOT_FOUND,   ErrorKind::INVALID_ARGUMENT, ErrorKind::DENIED,
                           ErrorKind::UNAVAILABLE, ErrorKind::INTERRUPTED,      ErrorKind::SANDBOX_LOST,
                           ErrorKind::FAILED};

TEST_CASE("an error keeps its kind and its sentence, also behind a connection") {
  for (auto kind : KINDS) {
    auto e = makeError(kind, "there is no such file: a.txt");
    CHECK(kindOf(e) == kind);
    CHECK(textOf(e) == "there is no such file: a.txt");
    kj::Exception remote(kj::Exception::Type::FAILED, "(remote)", 0,
                         kj::str("remote exception: remote exception: ", e.getDescription()));
    CHECK(kindOf(remote) == kind);
    CHECK(textOf(remote) == "there is no such file: a.txt");
  }
}

TEST_CASE("only unavailable is OVERLOADED, and nothing is DISCONNECTED") {
  for (auto kind : KINDS) {
    auto expected = kind == ErrorKind::UNAVAILABLE ? kj::Exception::Type::OVERLOADED
                                                   : kj::Exception::Type::FAILED;
    CHECK(makeError(kind, "x").getType() == expected);
  }
}

TEST_CASE("a foreign exception is failed, or unavailable if it says overloaded") {
  CHECK(kindOf(KJ_EXCEPTION(FAILED, "some text")) == ErrorKind::FAILED);
  CHECK(kindOf(KJ_EXCEPTION(DISCONNECTED, "some text")) == ErrorKind::FAILED);
  CHECK(kindOf(KJ_EXCEPTION(OVERLOADED, "some text")) == ErrorKind::UNAVAILABLE);
  CHECK(kindOf(KJ_EXCEPTION(FAILED, "notFoundation: no word")) == ErrorKind::FAILED);
  CHECK(textOf(KJ_EXCEPTION(FAILED, "deniedly: x")) == "deniedly: x");
}

TEST_CASE("throwError throws what makeError makes") {
  bool thrown = false;
  try {
    throwError(ErrorKind::DENIED, "no");
  } catch (kj::Exception& e) {
    thrown = true;
    CHECK(e.getDescription() == "denied: no");
  }
  CHECK(thrown);
}

TEST_CASE("text for people holds no source position, even when an exception was printed into it") {
  kj::Exception inner(kj::Exception::Type::FAILED, "bridge/net/x.c++", 12, kj::str("disk full"));
  auto e = KJ_EXCEPTION(FAILED, kj::str("could not save: ", inner, "\nstack: 7f00 7f01"));
  CHECK(textOf(e) == "could not save: disk full");
  CHECK(textOf(KJ_EXCEPTION(FAILED, "see main.c++:3: here")) == "see here");
  // What merely looks alike is the user's own text.
  CHECK(textOf(KJ_EXCEPTION(FAILED, "a.txt:3: bad")) == "a.txt:3: bad");
  CHECK(textOf(KJ_EXCEPTION(FAILED, "http://h:80: refused")) == "http://h:80: refused");
  CHECK(textOf(kj::Exception(kj::Exception::Type::FAILED, "x", 1, kj::str(""))).size() > 0);
}

TEST_CASE("of a failed system call people get the reason, not the call") {
  auto text = [](kj::StringPtr description) { return textOf(kj::Exception(kj::Exception::Type::FAILED, "x", 1, kj::str(description))); };
  CHECK(text("miniposix::write(fd, pos, size): No space left on device; fd = 17") == "No space left on device");
  CHECK(text("connect(): Connection refused") == "Connection refused");
  CHECK(text("open(path.cStr(), O_RDONLY): No such file or directory; path = /a/b") ==
        "No such file or directory; path = /a/b");
  // What merely looks alike.
  CHECK(text("main(): ") == "main(): ");
  CHECK(text("could not run (twice): x") == "could not run (twice): x");
  CHECK(text("f(x") == "f(x");
}

}  // namespace
}  // namespace sandbridge
