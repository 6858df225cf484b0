#include <catch2/catch.hpp>

#include "box-support.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

namespace {

BoxSpec spec(kj::StringPtr id) {
  BoxSpec result;
  result.id = kj::str(id);
  result.internet = false;
  return result;
}

}  // namespace

TEST_CASE("a box starts, runs a command as its own root, and ends") {
  TemporaryFolder folder;
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  auto box = boxes->start(spec("one")).wait(io.waitScope);
  auto result = run(*box, io.waitScope, "id -u; pwd; hostname; echo oops >&2; exit 3");
  CHECK(result.out == "0\n/workspace\none\n");
  CHECK(result.err == "oops\n");
  CHECK(result.exitCode == 3);
  CHECK(result.exitEvents == 1);
  box->end().wait(io.waitScope);
  box->onEnd().wait(io.waitScope);
  boxes->remove("one").wait(io.waitScope);
}
