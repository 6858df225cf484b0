// JSON from the wire: the parser and the writer, text in general, and TensorLake's answers.

#include "fuzz.h"

#include "base/error.h"
#include "base/json.h"
#include "tensorlake/messages.h"
#include "tools/text.h"

namespace sandbridge {
namespace {

using fuzz::require;

void checkJson(kj::ArrayPtr<const char> text) {
  auto parsed = tryParseJson(text);
  KJ_IF_MAYBE (document, parsed) {
    auto once = toJson(*document);
    require(isValidUtf8(once), "JSON that is written is valid UTF-8");
    require(toJson(parseJson(once)) == once, "JSON that is written reads the same");
  }
}

void checkText(kj::ArrayPtr<const char> text) {
  auto valid = toValidUtf8(text);
  require(isValidUtf8(valid), "toValidUtf8 makes valid UTF-8");
  require((valid.asArray() == text) == isValidUtf8(text), "toValidUtf8 changes what is invalid, and nothing else");
  require(validUtf8(text.asBytes()) == valid, "the tools replace invalid bytes as everybody else");
  require(encodeUtf8(decodeUtf8(text.asBytes())) == valid, "text comes back from UTF-16");

  auto file = decodeFile(text.asBytes());
  require(encodeFile(file, text.asBytes(), {}, file.bom).asPtr() == text.asBytes(),
          "a file that is not changed keeps its bytes");

  JsonWriter json;
  json.value(text);
  auto written = json.finish();
  auto back = parseJson(written);
  require(back.IsString() && stringOf(back) == valid, "a string of any bytes comes back from JSON as valid UTF-8");
}

template <typename Parse>
void checkAnswer(Parse&& parse) {
  try {
    parse();
  } catch (kj::Exception& e) {
    fuzz::requireOurs(e);
    require(kindOf(e) == ErrorKind::FAILED, "an answer that cannot be read is a failure");
  }
}

void checkSandbox(const tensorlake::Sandbox& sandbox) {
  require(sandbox.id.size() > 0 && sandbox.status.size() > 0, "a sandbox has an id and a status");
  require(isValidUtf8(sandbox.reason), "a reason is valid UTF-8");
}

void checkAnswers(kj::ArrayPtr<const char> text) {
  using namespace tensorlake;
  checkAnswer([&]() { checkSandbox(parseSandbox(text)); });
  checkAnswer([&]() {
    for (auto& sandbox : parseSandboxPage(text).sandboxes) checkSandbox(sandbox);
  });
  auto checkProcess = [](const ProcessInfo& process) {
    require(process.pid > 0 && process.pid <= 0x7fffffff, "a pid can be one");
    require(process.status.size() > 0, "a process has a status");
  };
  checkAnswer([&]() {
    auto process = parseProcess(text);
    checkProcess(process);
    auto json = parseJson(text);
    KJ_IF_MAYBE (code, process.exitCode) {
      require(getInt(json, "exit_code").orDefault(-1) == *code, "an exit code is the one that was sent");
    }
    KJ_IF_MAYBE (number, process.signal) {
      // Out of memory is death by SIGKILL.
      bool killed = *number == 9 && (process.status == "oom_killed" || getBool(json, "oom_killed").orDefault(false));
      require(killed || getInt(json, "signal").orDefault(-1) == *number, "a signal is the one that was sent");
    }
  });
  checkAnswer([&]() {
    for (auto& process : parseProcesses(text)) checkProcess(process);
  });
  checkAnswer([&]() { parseFiles(text); });

  auto error = parseError(text);
  for (auto said : {error.text.asPtr(), error.code.asPtr()}) {
    require(said.size() <= 500 && isValidUtf8(said), "an error is at most 500 bytes of valid UTF-8");
    for (char c : said) require(static_cast<kj::byte>(c) >= ' ' && c != '\x7f', "an error is one line");
  }
}

}  // namespace

void fuzz::test(Bytes bytes) {
  auto text = bytes.asChars();
  checkJson(text);
  checkText(text);
  checkAnswers(text);
}

}  // namespace sandbridge
