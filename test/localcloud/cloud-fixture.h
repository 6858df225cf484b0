#pragma once
// A local cloud over fake boxes, spoken to over real HTTP on loopback. The daemon of a fake box is a small HTTP server in
// this process; what the cloud asks of the boxes is recorded.

#include "base/coroutine.h"
#include "base/json.h"
#include "localcloud/box.h"
#include "localcloud/local-cloud.h"

#include <catch2/catch.hpp>
#include <kj/async-unix.h>
#include <kj/compat/http.h>
#include <kj/debug.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandbridge::localcloud::test {

// What a fake box and its disk are; outlives clouds, as real ones do.
struct FakeMachine {
  struct Inside {
    bool running = false;
    bool frozen = false;
    unsigned starts = 0;
    std::string snapshot;  // that it was started on
    NetworkPolicy network;
    kj::Own<kj::PromiseFulfiller<void>> ended;  // of the Box that is held
  };

  std::map<std::string, Inside> boxes;  // those with files
  std::vector<std::string> removed;
  std::set<std::string> snapshots;  // those with files

  // Faults, each for the calls that come.
  bool failStart = false;
  bool failFreeze = false;
  bool failThaw = false;
  int failRemove = 0;
  // What listens on a port of a box; none refuses the connection.
  std::function<kj::Promise<void>(kj::Own<kj::AsyncIoStream>)> port;
  bool refuseNetwork = false;  // policies cannot be enforced
  bool deafDaemon = false;  // connections are refused
  bool slowStart = false;   // never finishes
  bool failSnapshot = false;
  bool failSync = false;
  // Snapshots wait for it to be fulfilled.
  kj::Maybe<kj::ForkedPromise<void>> snapshotHeld;
  // So many boxes can be started.
  int starts = 1 << 30;

  // Answers the requests that arrive in a box.
  std::function<kj::Promise<void>(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders&,
                                  kj::AsyncInputStream&, kj::HttpService::Response&)>
      daemon;
  const kj::HttpHeaderTable* daemonTable = nullptr;
  unsigned requestsUnderWay = 0;

  void die(const std::string& id) {
    auto& box = boxes.at(id);
    box.running = false;
    box.ended->fulfill();
  }
};

kj::Own<Boxes> newFakeBoxes(kj::AsyncIoContext& io, FakeMachine& machine);

struct Reply {
  unsigned status = 0;
  std::string body;
  std::string contentType;

  JsonDocument json() const { return parseJson(kj::arrayPtr(body.data(), body.size())); }
  std::string text(const char* key) const {
    auto document = json();
    return std::string(getString(document, key).orDefault("<none>").cStr());
  }
  std::string code() const { return text("code"); }
};

struct Options {
  std::string host = "127.0.0.1";
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Cloud {
  explicit Cloud(kj::String apiKey = nullptr);
  ~Cloud() noexcept(false);

  kj::AsyncIoContext io;
  FakeMachine machine;
  std::string dir;

  // Stops the server, as kill -9 would, and starts another on the same records and boxes.
  void restart();
  void stop();
  // The same, with these faults and this latency from now on.
  void shape(std::vector<std::string> faults, kj::Duration latency = 0 * kj::SECONDS);

  Reply call(kj::HttpMethod method, const std::string& path, const std::string& body = "",
             Options options = {});
  kj::Promise<Reply> send(kj::HttpMethod method, std::string path, std::string body, Options options);
  Reply get(const std::string& path) { return call(kj::HttpMethod::GET, path); }
  Reply post(const std::string& path, const std::string& body = "") {
    return call(kj::HttpMethod::POST, path, body);
  }
  Reply inside(const std::string& sandbox, kj::HttpMethod method, const std::string& path,
               const std::string& body = "") {
    return call(method, path, body, {sandbox + ".local", {}});
  }

  // A new sandbox's id.
  std::string create(const std::string& name = "", const std::string& more = "");
  std::string statusOf(const std::string& id) { return get("/sandboxes/" + id).text("status"); }
  // Runs the loop until the sandbox has the status.
  void await(const std::string& id, const std::string& status);
  template <typename F>
  void until(F&& condition) {
    for (int i = 0; i < 2000; i++) {
      if (condition()) return;
      io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS).wait(io.waitScope);
    }
    FAIL("it did not happen in ten seconds");
  }

  std::string url() { return std::string(cloud->url().cStr()); }
  uint16_t port();

 private:
  kj::String apiKey;
  std::vector<std::string> faults;
  kj::Duration latency = 0 * kj::SECONDS;
  kj::HttpHeaderTable clientTable;
  kj::HttpHeaderTable::Builder daemonBuilder;
  kj::Own<kj::HttpHeaderTable> daemonTable;
  kj::Own<LocalCloud> cloud;
  kj::Promise<void> running = nullptr;
};

}  // namespace sandbridge::localcloud::test
