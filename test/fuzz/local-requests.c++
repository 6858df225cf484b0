// What clients send to the local cloud: create and update bodies, list queries, URLs, process requests.

#include "fuzz.h"

#include "base/json.h"
#include "localcloud/daemon/requests.h"
#include "localcloud/wire-format.h"
#include "tensorlake/messages.h"

#include <string.h>

namespace sandbridge {
namespace {

using fuzz::require;
using namespace localcloud;

void requireText(kj::StringPtr text) {
  require(isValidUtf8(text) && text.findFirst('\0') == nullptr, "what is accepted is valid UTF-8 without NUL");
}

void checkRefusal(const Refusal& refusal) {
  require(refusal.status >= 400 && refusal.status < 600, "a refusal has an error's status");
  require(refusal.code.size() > 0 && refusal.text.size() > 0, "a refusal has a code and a text");
  require(refusal.text.size() < 1000 && isValidUtf8(refusal.text), "a refusal is told in a few words of valid UTF-8");
}

// A create body that is accepted is told again as the client that made it would read it.
void checkCreated(SandboxRecord record) {
  record.id = newId();
  record.createdAt = 1;
  requireText(record.name);
  requireText(record.image);
  for (auto& part : record.entrypoint) requireText(part);
  if (record.isNamed()) require(checkName(record.name) == nullptr, "a name that is accepted is a good one");
  kj::String answers[] = {formatInfo(record, "http://127.0.0.1:1"),
                          formatCreated(record, "http://127.0.0.1:1", false)};
  for (auto& told : answers) {
    auto sandbox = tensorlake::parseSandbox(told);
    require(sandbox.id == record.id && sandbox.name == record.name, "a sandbox is told as it is");
  }
}

void checkLifecycle(kj::ArrayPtr<const char> text) {
  auto created = parseCreate(text, "default");
  KJ_SWITCH_ONEOF(created) {
    KJ_CASE_ONEOF(record, SandboxRecord) { checkCreated(kj::mv(record)); }
    KJ_CASE_ONEOF(refusal, Refusal) { checkRefusal(refusal); }
  }
  auto updated = parseUpdate(text);
  if (updated.is<Refusal>()) checkRefusal(updated.get<Refusal>());
  auto page = parseListQuery(kj::heapString(text));
  if (page.is<Refusal>()) {
    checkRefusal(page.get<Refusal>());
  } else {
    require(page.get<Page>().limit > 0 && page.get<Page>().limit <= 1000, "a page is bounded");
  }
}

template <typename Parse>
void checkDaemon(Parse&& parse) {
  try {
    parse();
  } catch (daemon::ApiError& e) {
    require(e.status >= 400 && e.status < 600 && e.text.size() > 0, "a refusal has an error's status and a text");
    JsonWriter json;
    json.value(e.text);
    require(isValidUtf8(json.finish()), "a refusal can be sent");
  } catch (kj::Exception& e) {
    fuzz::requireOurs(e);
  }
}

void checkProcesses(kj::ArrayPtr<const char> text) {
  checkDaemon([&]() {
    auto request = daemon::StartRequest::parse(text, "/workspace");
    auto& command = request.command;
    require(command.program.size() > 0, "there is a program");
    requireText(command.program);
    requireText(command.workingDirectory);
    for (auto& argument : command.arguments) requireText(argument);
    for (auto& entry : command.environment) {
      requireText(entry.name);
      requireText(entry.value);
      require(entry.name.size() > 0 && entry.name.findFirst('=') == nullptr, "an environment entry has a name");
    }
    KJ_IF_MAYBE (name, request.name) { require(name->findFirst('/') == nullptr, "a process' name is no path"); }
    KJ_IF_MAYBE (timeout, request.timeout) { require(*timeout >= 0 * kj::SECONDS, "time does not run backwards"); }
  });
  checkDaemon([&]() { daemon::parseSignal(text); });
  checkDaemon([&]() {
    auto url = daemon::Url::parse(kj::heapString(text));
    for (auto& part : url.parts) require(part.size() > 0, "no part of a path is empty");
    url.path();
  });
}

}  // namespace

void fuzz::test(Bytes bytes) {
  auto text = bytes.asChars();
  checkLifecycle(text);
  checkProcesses(text);
}

}  // namespace sandbridge
