#include "localcloud/cloud-fixture.h"

#include "base/error.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

namespace sandbridge::localcloud::test {

namespace {

class Daemon final : public kj::HttpService {
 public:
  Daemon(FakeMachine& machine, std::string id): machine(machine), id(kj::mv(id)) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    if (machine.boxes.at(id).frozen) return kj::NEVER_DONE;
    machine.requestsUnderWay++;
    auto count = kj::defer([this]() { machine.requestsUnderWay--; });
    if (machine.daemon) {
      return machine.daemon(method, url, headers, body, response).attach(kj::mv(count));
    }
    kj::HttpHeaders answer(*machine.daemonTable);
    answer.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
    auto text = kj::str("{\"box\":\"", id.c_str(), "\",\"method\":\"", method, "\",\"url\":\"", url, "\"}");
    auto stream = response.send(200, "OK", answer, text.size());
    auto promise = stream->write(text.begin(), text.size());
    return promise.attach(kj::mv(stream), kj::mv(text), kj::mv(count));
  }

 private:
  FakeMachine& machine;
  std::string id;
};

class FakeBox final : public Box {
 public:
  FakeBox(kj::AsyncIoContext& io, FakeMachine& machine, kj::TaskSet& tasks, std::string id)
      : io(io), machine(machine), tasks(tasks), ownId(kj::mv(id)) {}

  kj::StringPtr id() override { return ownId.c_str(); }

  kj::Promise<kj::Own<kj::AsyncIoStream>> connect() override {
    if (machine.deafDaemon) return KJ_EXCEPTION(DISCONNECTED, "connection refused");
    auto pipe = io.provider->newTwoWayPipe();
    auto service = kj::heap<Daemon>(machine, ownId);
    auto server = kj::heap<kj::HttpServer>(io.provider->getTimer(), *machine.daemonTable, *service);
    auto serving = server->listenHttp(kj::mv(pipe.ends[1]));
    tasks.add(serving.attach(kj::mv(server), kj::mv(service)));
    return kj::mv(pipe.ends[0]);
  }
  kj::Promise<kj::Own<kj::AsyncIoStream>> connectPort(uint16_t port) override {
    if (!machine.port) return makeError(ErrorKind::UNAVAILABLE, kj::str("nothing listens on port ", port));
    auto pipe = io.provider->newTwoWayPipe();
    tasks.add(machine.port(kj::mv(pipe.ends[1])));
    return kj::mv(pipe.ends[0]);
  }
  kj::Promise<void> setNetwork(NetworkPolicy policy) override {
    if (machine.refuseNetwork) return makeError(ErrorKind::FAILED, "there is no packet filter");
    machine.boxes.at(ownId).network = kj::mv(policy);
    return kj::READY_NOW;
  }
  kj::Promise<void> freeze() override {
    if (machine.failFreeze) return KJ_EXCEPTION(FAILED, "cannot be frozen");
    machine.boxes.at(ownId).frozen = true;
    return kj::READY_NOW;
  }
  kj::Promise<void> thaw() override {
    if (machine.failThaw) return KJ_EXCEPTION(FAILED, "cannot be thawed");
    machine.boxes.at(ownId).frozen = false;
    return kj::READY_NOW;
  }
  kj::Promise<void> pause() override { return freeze(); }
  kj::Promise<void> unpause() override { return thaw(); }
  kj::Promise<void> end() override {
    machine.boxes.at(ownId).running = false;
    return kj::READY_NOW;
  }
  kj::Promise<void> onEnd() override {
    auto paf = kj::newPromiseAndFulfiller<void>();
    machine.boxes.at(ownId).ended = kj::mv(paf.fulfiller);
    return kj::mv(paf.promise);
  }

 private:
  kj::AsyncIoContext& io;
  FakeMachine& machine;
  kj::TaskSet& tasks;
  std::string ownId;
};

class FakeBoxes final : public Boxes, private kj::TaskSet::ErrorHandler {
 public:
  FakeBoxes(kj::AsyncIoContext& io, FakeMachine& machine): io(io), machine(machine), tasks(*this) {}

  kj::Promise<kj::Own<Box>> start(BoxSpec spec) override {
    if (machine.slowStart) return kj::NEVER_DONE;
    if (machine.failStart || machine.starts-- <= 0) return KJ_EXCEPTION(FAILED, "no room for a box");
    if (spec.snapshot.size() > 0 && machine.snapshots.count(spec.snapshot.cStr()) == 0) {
      return KJ_EXCEPTION(FAILED, "the snapshot is gone");
    }
    auto& inside = machine.boxes[spec.id.cStr()];
    inside.snapshot = spec.snapshot.cStr();
    inside.running = true;
    inside.frozen = false;
    inside.starts++;
    inside.network = kj::mv(spec.network);
    return kj::Own<Box>(kj::heap<FakeBox>(io, machine, tasks, spec.id.cStr()));
  }
  kj::Maybe<kj::String> whyNotEnforced(const NetworkPolicy& policy) override {
    if (!machine.refuseNetwork) return nullptr;
    return kj::str("there is no packet filter");
  }
  kj::Promise<kj::Array<AdoptedBox>> adopt() override {
    kj::Vector<AdoptedBox> result;
    for (auto& entry: machine.boxes) {
      AdoptedBox adopted;
      adopted.id = kj::str(entry.first.c_str());
      adopted.frozen = entry.second.frozen;
      if (entry.second.running) adopted.box = kj::Own<Box>(kj::heap<FakeBox>(io, machine, tasks, entry.first));
      result.add(kj::mv(adopted));
    }
    return result.releaseAsArray();
  }
  kj::Promise<void> remove(kj::StringPtr id) override {
    if (machine.failRemove > 0) {
      machine.failRemove--;
      return KJ_EXCEPTION(FAILED, "the files are stuck");
    }
    machine.boxes.erase(id.cStr());
    machine.removed.push_back(id.cStr());
    return kj::READY_NOW;
  }
  kj::Promise<SnapshotFacts> takeSnapshot(kj::StringPtr id, kj::String snapshot,
                                          kj::Maybe<Box&> running) override {
    if (running == nullptr) {
      auto& inside = machine.boxes.at(id.cStr());
      KJ_ASSERT(inside.frozen || !inside.running);
    }
    KJ_IF_MAYBE(held, machine.snapshotHeld) co_await held->addBranch();
    if (machine.failSnapshot) kj::throwFatalException(KJ_EXCEPTION(FAILED, "no room for a snapshot"));
    machine.snapshots.insert(snapshot.cStr());
    SnapshotFacts facts;
    facts.bytes = 1000;
    co_return facts;
  }
  kj::Promise<void> makeDurable(kj::StringPtr snapshot) override {
    if (machine.failSync) return KJ_EXCEPTION(FAILED, "the disk is broken");
    return kj::READY_NOW;
  }
  void forgetSnapshot(kj::StringPtr snapshot) override { machine.snapshots.erase(snapshot.cStr()); }
  kj::Array<kj::String> keepSnapshots(kj::ArrayPtr<const kj::String> snapshots) override {
    std::set<std::string> kept;
    kj::Vector<kj::String> result;
    for (auto& id: snapshots) {
      if (machine.snapshots.count(id.cStr()) == 0) continue;
      kept.insert(id.cStr());
      result.add(kj::str(id));
    }
    machine.snapshots = kj::mv(kept);
    return result.releaseAsArray();
  }

 private:
  kj::AsyncIoContext& io;
  FakeMachine& machine;
  kj::TaskSet tasks;

  void taskFailed(kj::Exception&& e) override {
    if (e.getType() != kj::Exception::Type::DISCONNECTED) KJ_LOG(INFO, "fake daemon", e);
  }
};

}  // namespace

kj::Own<Boxes> newFakeBoxes(kj::AsyncIoContext& io, FakeMachine& machine) {
  return kj::heap<FakeBoxes>(io, machine);
}

Cloud::Cloud(kj::String apiKeyParam): io(kj::setupAsyncIo()), apiKey(kj::mv(apiKeyParam)) {
  daemonTable = daemonBuilder.build();
  machine.daemonTable = daemonTable;
  char name[] = "/tmp/sandbridge-cloud-XXXXXX";
  KJ_ASSERT(mkdtemp(name) != nullptr);
  dir = name;
  restart();
}

Cloud::~Cloud() noexcept(false) {
  stop();
  std::filesystem::remove_all(dir);
}

void Cloud::stop() {
  running = nullptr;
  cloud = nullptr;
}

void Cloud::restart() {
  stop();
  Shaping shaping;
  shaping.latency = latency;
  for (auto& spec: faults) shaping.faults.add(parseFault(spec.c_str()));
  cloud = startLocalCloud(io, newFakeBoxes(io, machine), "127.0.0.1:0", dir.c_str(), kj::str(apiKey),
                          kj::mv(shaping))
              .wait(io.waitScope);
  running = cloud->run().eagerlyEvaluate([](kj::Exception&& e) { KJ_LOG(ERROR, "the cloud stopped", e); });
}

void Cloud::shape(std::vector<std::string> faultsParam, kj::Duration latencyParam) {
  faults = kj::mv(faultsParam);
  latency = latencyParam;
  restart();
}

uint16_t Cloud::port() {
  auto text = url();
  return static_cast<uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
}

kj::Promise<Reply> Cloud::send(kj::HttpMethod method, std::string path, std::string body, Options options) {
  auto address = co_await io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", port()));
  auto stream = co_await address->connect();
  auto client = kj::newHttpClient(clientTable, *stream);
  kj::HttpHeaders headers(clientTable);
  headers.set(kj::HttpHeaderId::HOST, kj::str(options.host.c_str()));
  for (auto& header: options.headers) headers.add(kj::str(header.first.c_str()), kj::str(header.second.c_str()));
  auto request = client->request(method, path.c_str(), headers, body.size());
  if (request.body.get() != nullptr && !body.empty()) co_await request.body->write(body.data(), body.size());
  request.body = nullptr;
  auto response = co_await request.response;
  Reply reply;
  reply.status = response.statusCode;
  reply.contentType = response.headers->get(kj::HttpHeaderId::CONTENT_TYPE).orDefault("").cStr();
  auto text = co_await response.body->readAllText();
  reply.body = std::string(text.begin(), text.size());
  co_return reply;
}

Reply Cloud::call(kj::HttpMethod method, const std::string& path, const std::string& body, Options options) {
  return send(method, path, body, options).wait(io.waitScope);
}

std::string Cloud::create(const std::string& name, const std::string& more) {
  std::string body = "{\"resources\":{\"cpus\":1.0,\"memory_mb\":1024}";
  if (!name.empty()) body += ",\"name\":\"" + name + "\"";
  auto reply = post("/sandboxes", body + more + "}");
  INFO(reply.body);
  REQUIRE(reply.status == 200);
  REQUIRE(reply.text("status") == "running");
  return reply.text("sandbox_id");
}

void Cloud::await(const std::string& id, const std::string& status) {
  until([&]() { return statusOf(id) == status; });
}

}  // namespace sandbridge::localcloud::test
