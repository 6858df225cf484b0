// Tool calls over a real connection.

#include "rpc/fakes.h"

#include <catch2/catch.hpp>

namespace sandbridge::test {
namespace {

auto callTool(RpcClient& client, kj::StringPtr name, kj::StringPtr arguments,
              kj::Maybe<api::ToolUi::Client> ui = nullptr) {
  auto request = openSession(client, "s").toolsRequest().send().getTools().callRequest();
  request.setName(name);
  request.setArguments(arguments);
  KJ_IF_MAYBE(u, ui) { request.setUi(*u); }
  return request.send();
}

struct Person {
  kj::Vector<kj::String> questions;
  kj::Vector<kj::byte> output;
  unsigned outputs = 0;
  kj::Maybe<kj::Exception> refusal;
  kj::Maybe<kj::Exception> deafness;
  kj::Maybe<kj::ForkedPromise<void>> gate;
};

class PersonUi final : public api::ToolUi::Server {
 public:
  explicit PersonUi(Person& person): person(person) {}

  kj::Promise<void> ask(AskContext context) override {
    auto question = context.getParams().getQuestion();
    person.questions.add(kj::str(question.getPermission(), " ", question.getPatterns()[0], " ",
                                 question.getAlways()[0], " ", question.getMetadata()));
    KJ_IF_MAYBE(e, person.refusal) { return kj::cp(*e); }
    return kj::READY_NOW;
  }

  kj::Promise<void> output(OutputContext context) override {
    ++person.outputs;
    KJ_IF_MAYBE(e, person.deafness) { return kj::cp(*e); }
    auto text = kj::heapArray<kj::byte>(context.getParams().getText());
    KJ_IF_MAYBE(gate, person.gate) {
      return gate->addBranch().then([this, text = kj::mv(text)]() { person.output.addAll(text); });
    }
    person.output.addAll(text);
    return kj::READY_NOW;
  }

 private:
  Person& person;
};

ToolResult textResult(kj::StringPtr text) {
  ToolResult result;
  result.output = kj::str(text);
  result.metadata = kj::str("{}");
  return result;
}

ToolUi::Question question() {
  ToolUi::Question q;
  q.permission = kj::str("bash");
  q.patterns = kj::heapArray<kj::String>(1);
  q.patterns[0] = kj::str("rm *");
  q.always = kj::heapArray<kj::String>(1);
  q.always[0] = kj::str("rm");
  q.metadata = kj::str("{\"x\":1}");
  return q;
}

TEST_CASE("a tool call brings name and arguments in and the whole result out") {
  TestBridge bridge;
  bridge.handler = [](kj::StringPtr name, kj::StringPtr arguments, ToolUi&) -> kj::Promise<ToolResult> {
    ToolResult result;
    result.title = kj::str("title of ", name);
    result.output = kj::str("got ", arguments);
    result.metadata = kj::str("{\"n\":1}");
    result.attachments = kj::heapArray<ToolResult::Attachment>(1);
    result.attachments[0] = {kj::str("image/png"), bytesOf("\x89PNG"), kj::str("a.png")};
    return kj::mv(result);
  };
  auto client = bridge.connect();
  auto response = callTool(*client, "read", "{\"filePath\":\"x\"}").wait(bridge.io.waitScope);
  auto result = response.getResult();
  CHECK(!result.getFailed());
  CHECK(kj::str(result.getTitle()) == "title of read");
  CHECK(kj::str(result.getOutput()) == "got {\"filePath\":\"x\"}");
  CHECK(kj::str(result.getMetadata()) == "{\"n\":1}");
  REQUIRE(result.getAttachments().size() == 1);
  CHECK(kj::str(result.getAttachments()[0].getMime()) == "image/png");
  CHECK(textIn(result.getAttachments()[0].getData()) == "\x89PNG");
  CHECK(kj::str(result.getAttachments()[0].getFilename()) == "a.png");
}

TEST_CASE("equal sessions share one toolbox across connections, and other sessions do not") {
  TestBridge bridge;
  auto first = bridge.connect();
  auto second = bridge.connect();
  auto a = openSession(*first, "same");
  auto b = openSession(*second, "same");
  auto child = openSession(*second, "child", "same");
  auto other = openSession(*second, "other");
  for (auto& s : {a, b, child, other}) {
    const_cast<api::Session::Client&>(s).infoRequest().send().wait(bridge.io.waitScope);
  }
  CHECK(bridge.toolboxes == 2);
}

TEST_CASE("a session's toolbox is let go with the last capability that uses it") {
  TestBridge bridge;
  auto client = bridge.connect();
  for (unsigned i = 0; i < 3; ++i) {
    openSession(*client, "s").infoRequest().send().wait(bridge.io.waitScope);
    client->api().pingRequest().send().wait(bridge.io.waitScope);  // the Release goes before it
    CHECK(bridge.toolboxes == i + 1);
  }
}

TEST_CASE("failures of the infrastructure keep their kind, and bring no file or line along") {
  TestBridge bridge;
  auto client = bridge.connect();
  bridge.handler = [](kj::StringPtr, kj::StringPtr, ToolUi&) -> kj::Promise<ToolResult> {
    return makeError(ErrorKind::SANDBOX_LOST, "the sandbox ended");
  };
  auto lost = failureOf(callTool(*client, "bash", "{}").ignoreResult(), bridge.io.waitScope);
  CHECK(lost.kind == ErrorKind::SANDBOX_LOST);
  CHECK(lost.text == "the sandbox ended");

  bridge.handler = [](kj::StringPtr, kj::StringPtr, ToolUi&) -> kj::Promise<ToolResult> {
    auto e = KJ_EXCEPTION(FAILED, "a foreign failure");
    e.wrapContext("secret-place.c++", 7, kj::str("inside"));
    return e;
  };
  auto foreign = failureOf(callTool(*client, "bash", "{}").ignoreResult(), bridge.io.waitScope);
  CHECK(foreign.kind == ErrorKind::FAILED);
  CHECK(foreign.text == "a foreign failure");
  CHECK(strstr(foreign.raw.cStr(), "secret-place") == nullptr);
  CHECK(strstr(foreign.raw.cStr(), "tools-test") == nullptr);
}

TEST_CASE("the person is asked, and her refusal is what the tool gets") {
  TestBridge bridge;
  auto client = bridge.connect();
  kj::String seen;
  bridge.handler = [&](kj::StringPtr, kj::StringPtr, ToolUi& ui) -> kj::Promise<ToolResult> {
    return ui.ask(question()).then([]() { return textResult("allowed"); }, [&](kj::Exception&& e) {
      seen = kj::str(toWord(kindOf(e)), ": ", textOf(e));
      return textResult("refused");
    });
  };
  Person person;
  api::ToolUi::Client ui = kj::heap<PersonUi>(person);
  auto allowed = callTool(*client, "bash", "{}", ui).wait(bridge.io.waitScope);
  CHECK(kj::str(allowed.getResult().getOutput()) == "allowed");
  REQUIRE(person.questions.size() == 1);
  CHECK(person.questions[0] == "bash rm * rm {\"x\":1}");

  person.refusal = KJ_EXCEPTION(FAILED, "not on a Friday");
  auto refused = callTool(*client, "bash", "{}", ui).wait(bridge.io.waitScope);
  CHECK(kj::str(refused.getResult().getOutput()) == "refused");
  CHECK(seen == "denied: not on a Friday");
}

TEST_CASE("without a person everything is allowed and nothing is shown") {
  TestBridge bridge;
  auto client = bridge.connect();
  bridge.handler = [&](kj::StringPtr, kj::StringPtr, ToolUi& ui) -> kj::Promise<ToolResult> {
    return ui.ask(question()).then([&ui]() {
      return ui.output(kj::StringPtr("text").asBytes());
    }).then([]() { return textResult("ran"); });
  };
  auto response = callTool(*client, "bash", "{}").wait(bridge.io.waitScope);
  CHECK(kj::str(response.getResult().getOutput()) == "ran");
}

TEST_CASE("diagnostics are wanted unless the tools' options say otherwise, with and without a person") {
  TestBridge bridge;
  auto client = bridge.connect();
  bridge.handler = [](kj::StringPtr, kj::StringPtr, ToolUi& ui) -> kj::Promise<ToolResult> {
    return textResult(ui.wantsDiagnostics() ? "wanted" : "unwanted");
  };
  auto call = [&](kj::Maybe<bool> option, bool withPerson) {
    Person person;
    auto request = openSession(*client, "s").toolsRequest();
    KJ_IF_MAYBE(wanted, option) { request.initOptions().setDiagnostics(*wanted); }
    auto callRequest = request.send().getTools().callRequest();
    if (withPerson) callRequest.setUi(kj::heap<PersonUi>(person));
    return kj::str(callRequest.send().wait(bridge.io.waitScope).getResult().getOutput());
  };
  for (bool withPerson : {false, true}) {
    CHECK(call(nullptr, withPerson) == "wanted");
    CHECK(call(true, withPerson) == "wanted");
    CHECK(call(false, withPerson) == "unwanted");
  }
}

kj::Promise<ToolResult> printMuch(ToolUi& ui, unsigned chunks, unsigned& sent) {
  auto chunk = kj::heapArray<kj::byte>(64u << 10);
  for (unsigned i = 0; i < chunks; ++i) {
    memset(chunk.begin(), 'a' + i % 26, chunk.size());
    co_await ui.output(chunk);
    ++sent;
  }
  co_return textResult("printed");
}

TEST_CASE("output arrives whole and in order before the result, and a slow client holds it back") {
  TestBridge bridge;
  auto client = bridge.connect();
  unsigned sent = 0;
  constexpr unsigned CHUNKS = 100;
  bridge.handler = [&](kj::StringPtr, kj::StringPtr, ToolUi& ui) { return printMuch(ui, CHUNKS, sent); };
  Person person;
  auto paf = kj::newPromiseAndFulfiller<void>();
  person.gate = paf.promise.fork();
  api::ToolUi::Client ui = kj::heap<PersonUi>(person);
  auto call = callTool(*client, "bash", "{}", ui);
  waitUntil(bridge.io, [&]() { return person.outputs >= 1; });
  for (unsigned i = 0; i < 20; ++i) bridge.io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(bridge.io.waitScope);
  CHECK(sent >= 1);
  CHECK(sent < 20);  // 1 MiB of window and no more
  paf.fulfiller->fulfill();
  auto response = call.wait(bridge.io.waitScope);
  CHECK(kj::str(response.getResult().getOutput()) == "printed");
  REQUIRE(person.output.size() == CHUNKS * (64u << 10));
  for (unsigned i = 0; i < CHUNKS; ++i) REQUIRE(person.output[i * (64u << 10)] == 'a' + i % 26);
}

TEST_CASE("a client that fails to take the output ends the call") {
  TestBridge bridge;
  auto client = bridge.connect();
  unsigned sent = 0;
  bridge.handler = [&](kj::StringPtr, kj::StringPtr, ToolUi& ui) { return printMuch(ui, 1000, sent); };
  Person person;
  person.deafness = KJ_EXCEPTION(FAILED, "the window is closed");
  api::ToolUi::Client ui = kj::heap<PersonUi>(person);
  auto failure = failureOf(callTool(*client, "bash", "{}", ui).ignoreResult(), bridge.io.waitScope);
  CHECK(failure.text == "the window is closed");
  CHECK(sent < 1000);
}

struct Hanging {
  bool started = false;
  bool dropped = false;
  FakeToolbox::Handler handler() {
    return [this](kj::StringPtr, kj::StringPtr, ToolUi&) -> kj::Promise<ToolResult> {
      started = true;
      return kj::Promise<ToolResult>(kj::NEVER_DONE).attach(kj::defer([this]() { dropped = true; }));
    };
  }
};

TEST_CASE("cancelling a call ends the tool, and the connection goes on") {
  TestBridge bridge;
  auto client = bridge.connect();
  Hanging hanging;
  bridge.handler = hanging.handler();
  {
    auto call = callTool(*client, "bash", "{}");
    waitUntil(bridge.io, [&]() { return hanging.started; });
    CHECK(!hanging.dropped);
  }
  waitUntil(bridge.io, [&]() { return hanging.dropped; });
  client->api().pingRequest().send().wait(bridge.io.waitScope);
}

TEST_CASE("a client that hangs up in the middle of a call ends the tool") {
  TestBridge bridge;
  auto client = bridge.connect();
  Hanging hanging;
  bridge.handler = hanging.handler();
  auto call = callTool(*client, "bash", "{}").ignoreResult().eagerlyEvaluate([](kj::Exception&&) {});
  waitUntil(bridge.io, [&]() { return hanging.started; });
  CHECK(!hanging.dropped);
  client = nullptr;
  waitUntil(bridge.io, [&]() { return hanging.dropped; });
  CHECK(bridge.connect()->api().pingRequest().send().wait(bridge.io.waitScope).totalSize().capCount == 0);
}

TEST_CASE("a call goes on when its session and tools were let go") {
  TestBridge bridge;
  auto client = bridge.connect();
  kj::Own<kj::PromiseFulfiller<ToolResult>> finish;
  bridge.handler = [&](kj::StringPtr, kj::StringPtr, ToolUi&) -> kj::Promise<ToolResult> {
    auto paf = kj::newPromiseAndFulfiller<ToolResult>();
    finish = kj::mv(paf.fulfiller);
    return kj::mv(paf.promise);
  };
  auto call = callTool(*client, "bash", "{}");  // holds no capability of the session
  waitUntil(bridge.io, [&]() { return finish.get() != nullptr; });
  client->api().pingRequest().send().wait(bridge.io.waitScope);
  finish->fulfill(textResult("late"));
  CHECK(kj::str(call.wait(bridge.io.waitScope).getResult().getOutput()) == "late");
}

}  // namespace
}  // namespace sandbridge::test
