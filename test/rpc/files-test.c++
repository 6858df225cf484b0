// Files over a real connection, and what carries them.

#include "rpc/directory-listing.h"
#include "rpc/fakes.h"
#include "rpc/spool.h"

#include <catch2/catch.hpp>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandbridge::test {
namespace {

api::Files::Client filesOf(RpcClient& client) {
  return openSession(client, "s").filesRequest().send().getFiles();
}

FakeWorkspace& workspaceOf(TestBridge& bridge) { return bridge.sessions.session("s").files; }

api::ByteSink::Client openUpload(api::Files::Client& files, kj::StringPtr path, int64_t size = -1) {
  auto request = files.writeRequest();
  request.setPath(path);
  request.setSize(size);
  return request.send().getSink();
}

kj::Promise<void> put(api::ByteSink::Client sink, kj::ArrayPtr<const kj::byte> bytes) {
  auto request = sink.writeRequest();
  request.setBytes(bytes);
  return request.send();
}

kj::Array<kj::byte> pattern(size_t size) {
  auto bytes = kj::heapArray<kj::byte>(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = (i * 2654435761u) >> 13;
  return bytes;
}

TEST_CASE("a file is read in order, in chunks of at most 1 MiB, and then done") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto content = pattern((5u << 20) + 17);
  workspaceOf(bridge).files.insert(kj::str("big.bin"), kj::heapArray<kj::byte>(content));
  workspaceOf(bridge).files.insert(kj::str("empty"), kj::Array<kj::byte>());
  auto files = filesOf(*client);
  for (kj::StringPtr name : {"big.bin"_kj, "empty"_kj}) {
    Received received;
    auto request = files.readRequest();
    request.setPath(name);
    request.setSink(newSink(received));
    auto response = request.send().wait(bridge.io.waitScope);
    CHECK(received.done);
    CHECK(received.largest <= 1u << 20);
    CHECK(response.getSize() == received.bytes.size());
    if (name == "empty") {
      CHECK(received.bytes.size() == 0);
    } else {
      CHECK(received.bytes.asPtr() == content.asPtr());
    }
  }
}

TEST_CASE("reading what is not there is notFound, and without a sink invalidArgument") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  Received received;
  auto request = files.readRequest();
  request.setPath("nothing");
  request.setSink(newSink(received));
  CHECK(failureOf(request.send().ignoreResult(), bridge.io.waitScope).kind == ErrorKind::NOT_FOUND);
  CHECK(!received.done);
  auto blind = files.readRequest();
  blind.setPath("nothing");
  CHECK(failureOf(blind.send().ignoreResult(), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE("a sink that fails ends the reading") {
  TestBridge bridge;
  auto client = bridge.connect();
  workspaceOf(bridge).files.insert(kj::str("f"), pattern(4u << 20));
  Received received;
  received.failure = KJ_EXCEPTION(FAILED, "no room here");
  auto request = filesOf(*client).readRequest();
  request.setPath("f");
  request.setSink(newSink(received));
  CHECK(failureOf(request.send().ignoreResult(), bridge.io.waitScope).text == "no room here");
}

TEST_CASE("paths that no file can have are refused") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  auto nul = kj::heapString(3);
  memcpy(nul.begin(), "a\0b", 3);
  auto longPath = kj::heapString(5000);
  memset(longPath.begin(), 'a', longPath.size());
  for (kj::StringPtr path : {""_kj, kj::StringPtr(nul), kj::StringPtr(longPath)}) {
    auto write = files.writeRequest();
    write.setPath(path);
    CHECK(failureOf(write.send().ignoreResult(), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
    auto remove = files.removeRequest();
    remove.setPath(path);
    CHECK(failureOf(remove.send().ignoreResult(), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  }
}

TEST_CASE("an upload replaces the file when done returns, not before") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  auto& workspace = workspaceOf(bridge);
  workspace.files.insert(kj::str("f"), bytesOf("old"));
  auto content = pattern((3u << 20) + 5);
  int64_t size = GENERATE(-1, (3 << 20) + 5);  // unknown, and told
  auto sink = openUpload(files, "f", size);
  for (size_t at = 0; at < content.size(); at += 1u << 20) {
    put(sink, content.slice(at, kj::min(content.size(), at + (1u << 20)))).wait(bridge.io.waitScope);
  }
  CHECK(textIn(KJ_ASSERT_NONNULL(workspace.files.find("f"_kj))) == "old");
  sink.doneRequest().send().wait(bridge.io.waitScope);
  CHECK(KJ_ASSERT_NONNULL(workspace.files.find("f"_kj)).asPtr() == content.asPtr());
  CHECK(failureOf(sink.doneRequest().send().ignoreResult(), bridge.io.waitScope).kind ==
        ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE("an empty upload makes an empty file") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  openUpload(files, "e", GENERATE(-1, 0)).doneRequest().send().wait(bridge.io.waitScope);
  CHECK(KJ_ASSERT_NONNULL(workspaceOf(bridge).files.find("e"_kj)).size() == 0);
}

TEST_CASE("an upload that is dropped leaves the old file") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  auto& workspace = workspaceOf(bridge);
  workspace.files.insert(kj::str("f"), bytesOf("old"));
  {
    auto sink = openUpload(files, "f", GENERATE(-1, 3, 10));
    put(sink, bytesOf("new")).wait(bridge.io.waitScope);
  }
  client->api().pingRequest().send().wait(bridge.io.waitScope);
  CHECK(textIn(KJ_ASSERT_NONNULL(workspace.files.find("f"_kj))) == "old");
}

TEST_CASE("cancelling done drops the write under way") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  auto& workspace = workspaceOf(bridge);
  workspace.holdWrites = true;
  auto sink = openUpload(files, "f", GENERATE(-1, 0));
  {
    auto done = sink.doneRequest().send();
    client->api().pingRequest().send().wait(bridge.io.waitScope);
    CHECK(workspace.writesDropped == 0);
  }
  waitUntil(bridge.io, [&]() { return workspace.writesDropped == 1; });
}

TEST_CASE("bytes of a known size are passed on as they come") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  auto& workspace = workspaceOf(bridge);
  auto sink = openUpload(files, "f", 2 << 20);
  put(sink, pattern(1 << 20)).wait(bridge.io.waitScope);
  sink.writeRequest().send().wait(bridge.io.waitScope);
  waitUntil(bridge.io, [&]() { return workspace.writesBegun == 1; });
}

TEST_CASE("another number of bytes than was announced is refused, and changes nothing") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  auto& workspace = workspaceOf(bridge);
  workspace.files.insert(kj::str("f"), bytesOf("old"));
  auto sink = openUpload(files, "f", 4);
  put(sink, bytesOf("abc")).wait(bridge.io.waitScope);
  Failure failure;
  SECTION("fewer") {
    failure = failureOf(sink.doneRequest().send().ignoreResult(), bridge.io.waitScope);
    CHECK(failure.text == "4 bytes were announced, and 3 came");
  }
  SECTION("more") {
    // A streaming call's failure is told by the next one.
    put(sink, bytesOf("de")).catch_([](kj::Exception&&) {}).wait(bridge.io.waitScope);
    failure = failureOf(sink.doneRequest().send().ignoreResult(), bridge.io.waitScope);
    CHECK(failure.text == "4 bytes were announced, and more came");
  }
  CHECK(failure.kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(textIn(KJ_ASSERT_NONNULL(workspace.files.find("f"_kj))) == "old");
}

TEST_CASE("why the sandbox takes no more of an upload is what its next write and done say") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  workspaceOf(bridge).writeFailure = makeError(ErrorKind::FAILED, "no space left");
  auto sink = openUpload(files, "f", 4 << 20);
  for (int i = 0; i < 3; ++i) {
    put(sink, pattern(1 << 20)).catch_([](kj::Exception&&) {}).wait(bridge.io.waitScope);
  }
  auto failure = failureOf(sink.doneRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(failure.kind == ErrorKind::FAILED);
  CHECK(failure.text == "no space left");
}

TEST_CASE("a connection cannot have more open uploads than its limit") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto files = filesOf(*client);
  kj::Vector<api::ByteSink::Client> sinks;
  for (unsigned i = 0; i < 64; ++i) {
    auto request = files.writeRequest();
    request.setPath("f");
    sinks.add(request.send().wait(bridge.io.waitScope).getSink());
  }
  auto request = files.writeRequest();
  request.setPath("f");
  auto failure = failureOf(request.send().ignoreResult(), bridge.io.waitScope);
  CHECK(strstr(failure.text.cStr(), "limit of 64 open uploads") != nullptr);
}

TEST_CASE("a spool gives back what it got, and takes no more than its limit") {
  auto io = kj::setupAsyncIo();
  Spool spool(10);
  spool.write(bytesOf("12345"));
  spool.write(bytesOf("67890"));
  auto failure = kj::runCatchingExceptions([&]() { spool.write(bytesOf("x")); });
  CHECK(kindOf(KJ_ASSERT_NONNULL(failure)) == ErrorKind::FAILED);
  CHECK(spool.size() == 10);
  CHECK(spool.read()->readAllText().wait(io.waitScope) == "1234567890");
}

TEST_CASE("a spool leaves no file behind, and says so when there is no room for one") {
  char directory[] = "/tmp/sandbridge-spool-test-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  auto old = getenv("TMPDIR");
  kj::Maybe<kj::String> saved;
  if (old != nullptr) saved = kj::str(old);
  setenv("TMPDIR", directory, 1);
  {
    Spool spool(1u << 20);
    spool.write(bytesOf("text"));
    CHECK(rmdir(directory) == 0);  // empty, while the spool is open
  }
  Spool homeless(1u << 20);
  auto failure = kj::runCatchingExceptions([&]() { homeless.write(bytesOf("text")); });
  CHECK(strstr(textOf(KJ_ASSERT_NONNULL(failure)).cStr(), "No such file or directory") != nullptr);
  KJ_IF_MAYBE(s, saved) { setenv("TMPDIR", s->cStr(), 1); } else { unsetenv("TMPDIR"); }
}

struct TestDirectory {
  char path[40] = "/tmp/sandbridge-list-test-XXXXXX";
  TestDirectory() { REQUIRE(mkdtemp(path) != nullptr); }
  ~TestDirectory() {
    auto command = kj::str("rm -rf ", path);
    REQUIRE(system(command.cStr()) == 0);
  }
  kj::String operator/(kj::StringPtr name) { return kj::str(path, "/", name); }
  void file(kj::StringPtr name, kj::StringPtr content) {
    auto f = fopen((*this / name).cStr(), "w");
    REQUIRE(f != nullptr);
    fwrite(content.begin(), 1, content.size(), f);
    fclose(f);
  }
};

const kj::StringPtr HOSTILE[] = {
    "plain"_kj, ".hidden"_kj, "..almost"_kj, "-rf"_kj, "a b"_kj, "new\nline"_kj, "quote'\"$(x)`y`*?"_kj,
    "\xff\xfe bytes"_kj, "7 7 plain"_kj, "x\n7 7 ."_kj, "\xc3\xa9"_kj,
};

TEST_CASE("a listing has every name, sizes and times; directories first, then by name") {
  TestBridge bridge;
  auto client = bridge.connect();
  TestDirectory directory;
  workspaceOf(bridge).rootPath = kj::str(directory.path);
  for (auto name : HOSTILE) directory.file(name, name);
  REQUIRE(mkdir((directory / "zdir").cStr(), 0755) == 0);
  REQUIRE(mkdir((directory / "a\ndir").cStr(), 0755) == 0);
  REQUIRE(symlink("zdir", (directory / "to-dir").cStr()) == 0);
  REQUIRE(symlink("nowhere", (directory / "dangling").cStr()) == 0);
  REQUIRE(symlink("plain", (directory / "to-plain").cStr()) == 0);
  auto response = filesOf(*client).listRequest().send().wait(bridge.io.waitScope);
  auto entries = response.getEntries();
  REQUIRE(entries.size() == kj::size(HOSTILE) + 5);
  CHECK(kj::str(entries[0].getName()) == "a\ndir");
  CHECK(kj::str(entries[1].getName()) == "to-dir");
  CHECK(kj::str(entries[2].getName()) == "zdir");
  for (unsigned i = 0; i < 3; ++i) CHECK(entries[i].getIsDirectory());
  for (unsigned i = 4; i < entries.size(); ++i) {
    CHECK(!entries[i].getIsDirectory());
    CHECK(kj::StringPtr(entries[i - 1].getName()) < kj::StringPtr(entries[i].getName()));
  }
  for (auto name : HOSTILE) {
    bool found = false;
    for (auto entry : entries) {
      if (entry.getName() != name) continue;
      found = true;
      CHECK(entry.getSize() == name.size());
      CHECK(entry.getModifiedAt() > 1600000000000);
    }
    CHECK(found);
  }
  for (auto entry : entries) {
    if (entry.getName() == "to-plain") CHECK(entry.getSize() == 5);
    if (entry.getName() == "dangling") CHECK(entry.getSize() == 0);
  }
}

TEST_CASE("an empty directory lists as empty; a file and a missing one are errors that say so") {
  TestBridge bridge;
  auto client = bridge.connect();
  TestDirectory directory;
  workspaceOf(bridge).rootPath = kj::str(directory.path);
  auto files = filesOf(*client);
  CHECK(files.listRequest().send().wait(bridge.io.waitScope).getEntries().size() == 0);
  directory.file("-f", "");
  auto onFile = files.listRequest();
  onFile.setPath("-f");
  CHECK(failureOf(onFile.send().ignoreResult(), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  auto missing = files.listRequest();
  missing.setPath("x y");
  auto failure = failureOf(missing.send().ignoreResult(), bridge.io.waitScope);
  CHECK(failure.kind == ErrorKind::NOT_FOUND);
  CHECK(failure.text == kj::str("there is no ", directory.path, "/x y"));
}

TEST_CASE("removing takes files and links of any name, and no directories") {
  TestBridge bridge;
  auto client = bridge.connect();
  TestDirectory directory;
  workspaceOf(bridge).rootPath = kj::str(directory.path);
  auto files = filesOf(*client);
  auto remove = [&](kj::StringPtr path) {
    auto request = files.removeRequest();
    request.setPath(path);
    return request.send().ignoreResult();
  };
  for (auto name : HOSTILE) {
    directory.file(name, "x");
    remove(name).wait(bridge.io.waitScope);
    CHECK(access((directory / name).cStr(), F_OK) != 0);
  }
  REQUIRE(mkdir((directory / "dir").cStr(), 0755) == 0);
  REQUIRE(symlink("dir", (directory / "link").cStr()) == 0);
  remove("link").wait(bridge.io.waitScope);
  CHECK(access((directory / "dir").cStr(), F_OK) == 0);
  CHECK(failureOf(remove("dir"), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(access((directory / "dir").cStr(), F_OK) == 0);
  CHECK(failureOf(remove("dir/none"), bridge.io.waitScope).kind == ErrorKind::NOT_FOUND);
}

TEST_CASE("a listing that is cut or garbled is an error") {
  auto garbled = [](kj::StringPtr text) {
    return kj::runCatchingExceptions([&]() { parseListing(text); }) != nullptr;
  };
  CHECK(garbled(""));
  CHECK(garbled("f./a"));
  auto wrongType = kj::heapString("x./a\0\0", 6);
  CHECK(garbled(wrongType));
  auto noSize = kj::heapString("f./a\0\0junk", 10);
  CHECK(garbled(noSize));
  // stat printed a name that the listing does not have: the others still find their lines.
  auto good = kj::heapString("f./a\0f./b\0\0" "3 4 ./b\n", 19);
  auto entries = parseListing(good);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].size == 0);
  CHECK(entries[1].size == 3);
  CHECK(entries[1].modifiedAt == 4000);
}

}  // namespace
}  // namespace sandbridge::test
