// The same as a plain user: one uid inside, nothing of the host writable. As root the test gives up its rights first, in a
// child process; as a plain user it is the ordinary case.

#include <catch2/catch.hpp>

#include "box-processes.h"
#include "box-support.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

TEST_CASE("a plain user's box runs, hides and ends as root's does, with a read-only system") {
  TemporaryFolder folder;
  auto dir = kj::str(folder.path, "/boxes");
  KJ_SYSCALL(chmod(folder.path.cStr(), 0777));
  auto report = asPlainUser([&]() -> kj::String {
    auto io = kj::setupAsyncIo();
    auto boxes = newBoxes(io, dir).wait(io.waitScope);
    BoxSpec spec;
    spec.id = kj::str("plain");
    auto box = boxes->start(kj::mv(spec)).wait(io.waitScope);
    kj::Vector<kj::String> problems;
    auto expect = [&](kj::StringPtr script, kj::StringPtr wanted) {
      auto result = run(*box, io.waitScope, script);
      if (result.out != wanted) problems.add(kj::str(script, " -> ", result.out, result.err));
    };
    expect("id -u", "0\n");
    expect("echo x > /workspace/f && cat /workspace/f", "x\n");
    expect("echo x > /root/f && cat /root/f", "x\n");
    expect("echo x > /usr/bin/nothing 2>/dev/null || echo refused", "refused\n");
    expect("cat /etc/hostname", "plain\n");
    expect("ls -A /home; ls -d /etc/ssh 2>/dev/null", "");
    expect("head -c1 /proc/1/mem 2>/dev/null || echo refused", "refused\n");
    expect("unshare -Ur true 2>/dev/null || echo refused", "refused\n");
    run(*box, io.waitScope, "mkdir shut; touch shut/f; chmod 0 shut");
    start(*box, io.waitScope, "exec sleep 1000");
    box->freeze().wait(io.waitScope);
    box->thaw().wait(io.waitScope);
    expect("echo back", "back\n");
    box->end().wait(io.waitScope);
    box = nullptr;
    boxes->remove("plain").wait(io.waitScope);
    auto& timer = io.provider->getTimer();
    for (int i = 0; i < 500 && readdirCount(kj::str(dir, "/trash")) > 0; i++) {
      timer.afterDelay(10 * kj::MILLISECONDS).wait(io.waitScope);
    }
    if (readdirCount(kj::str(dir, "/trash")) != 0) problems.add(kj::str("files are left"));
    return kj::strArray(problems, "\n");
  });
  CHECK(report == "");
}

TEST_CASE("a plain user's boxes are adopted by the next server, running and frozen") {
  TemporaryFolder folder;
  auto dir = kj::str(folder.path, "/boxes");
  KJ_SYSCALL(chmod(folder.path.cStr(), 0777));
  auto first = asPlainUser([&]() -> kj::String {
    auto io = kj::setupAsyncIo();
    auto boxes = newBoxes(io, dir).wait(io.waitScope);
    for (kj::StringPtr id : {"warm"_kj, "cold"_kj}) {
      BoxSpec spec;
      spec.id = kj::str(id);
      auto box = boxes->start(kj::mv(spec)).wait(io.waitScope);
      auto pid = start(*box, io.waitScope, "exec sleep 1000");
      run(*box, io.waitScope, kj::str("echo ", pid, " > pid"));
      if (id == "cold") box->freeze().wait(io.waitScope);
    }
    return kj::str("");
  });
  CHECK(first == "");
  auto second = asPlainUser([&]() -> kj::String {
    auto io = kj::setupAsyncIo();
    auto boxes = newBoxes(io, dir).wait(io.waitScope);
    auto adopted = boxes->adopt().wait(io.waitScope);
    if (adopted.size() != 2) return kj::str(adopted.size(), " boxes");
    for (auto& one : adopted) {
      if (one.box == nullptr) return kj::str(one.id, " is lost");
      auto& box = *KJ_ASSERT_NONNULL(one.box);
      if (one.frozen != (one.id == "cold")) return kj::str(one.id, " has the wrong state");
      if (one.frozen) box.thaw().wait(io.waitScope);
      if (run(box, io.waitScope, "kill -0 $(cat pid)").exitCode != 0) {
        return kj::str(one.id, " lost its process");
      }
      box.end().wait(io.waitScope);
    }
    return kj::str("");
  });
  CHECK(second == "");
}
