#include "base/header-line.h"

#include <kj/debug.h>

#include <catch2/catch.hpp>

using namespace sandbridge;

TEST_CASE("a header line is taken apart at its first colon") {
  auto line = KJ_ASSERT_NONNULL(parseHeaderLine(" Location\t:  http://host:80/ \r\n"));
  CHECK(line.name == "Location");
  CHECK(line.value == "http://host:80/");

  auto empty = KJ_ASSERT_NONNULL(parseHeaderLine(":"));
  CHECK(empty.name.empty());
  CHECK(empty.value.empty());

  CHECK(parseHeaderLine("no colon") == nullptr);
  CHECK(parseHeaderLine("") == nullptr);
}

TEST_CASE("names of headers do not differ by ASCII case, and by nothing else") {
  auto line = KJ_ASSERT_NONNULL(parseHeaderLine("Content-TYPE: x"));
  CHECK(line.is("content-type"));
  CHECK(!line.is("content-typ"));
  CHECK(!line.is("content-types"));
  CHECK(!KJ_ASSERT_NONNULL(parseHeaderLine("content@type: x")).is("content`type"));
}
