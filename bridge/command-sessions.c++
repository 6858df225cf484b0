// `sandbridge sessions`, `suspend`, `resume`, `delete`.

#include "command-client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"

#include <kj/debug.h>
#include <time.h>
#include <unistd.h>

namespace sandbridge {
namespace {

// Session ids are any bytes: a terminal must not obey them.
kj::String forTerminal(capnp::Text::Reader text, size_t width) {
  auto clean = toValidUtf8(text.asArray());
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  // Continuation bytes take no column.
  size_t columns = 0;
  for (char c : clean) columns += (c & 0xc0) != 0x80;
  kj::Vector<char> padded(clean.size() + width);
  padded.addAll(clean);
  for (; columns < width; ++columns) padded.add(' ');
  return kj::heapString(padded.begin(), padded.size());
}

kj::String localTime(int64_t milliseconds) {
  if (milliseconds == 0) return kj::str("-");
  time_t seconds = milliseconds / 1000;
  tm parts;
  char text[32];
  localtime_r(&seconds, &parts);
  strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
  return kj::str(text);
}

class SessionsCommand {
 public:
  explicit SessionsCommand(CommandLine& commandLine): commandLine(commandLine) {}

  kj::MainFunc build() {
    return kj::MainBuilder(commandLine, versionText(),
        "Lists the sessions that have a sandbox: as a table on a terminal, else as one JSON object a line.",
        CLIENT_ENVIRONMENT)
        .addOption({"json"}, [this]() -> kj::MainBuilder::Validity {
          asJson = true;
          return true;
        }, "JSON lines, on a terminal too.")
        .callAfterParsing([this]() -> kj::MainBuilder::Validity {
          runClient(commandLine, [this](kj::AsyncIoContext& io) {
            return list(io).exclusiveJoin(endedBySignal(io));
          });
          return true;
        })
        .build();
  }

 private:
  CommandLine& commandLine;
  bool asJson = false;

  kj::Promise<int> list(kj::AsyncIoContext& io) {
    auto client = co_await connectBridge(io);
    auto response = co_await client->api().sessionsRequest().send();
    auto sessions = response.getSessions();
    kj::Vector<kj::String> lines;
    if (asJson || !isatty(STDOUT_FILENO)) {
      for (auto session : sessions) lines.add(jsonLine(session));
    } else {
      lines.add(kj::str("SESSION                         STATUS      CREATED              SANDBOX\n"));
      for (auto session : sessions) {
        lines.add(kj::str(forTerminal(session.getId().size() > 0 ? session.getId() : "-"_kj, 31), " ",
                          forTerminal(session.getStatus(), 11), " ",
                          localTime(session.getCreatedAt()), "  ",
                          forTerminal(session.getSandboxName(), 0), "\n"));
      }
    }
    printOut(kj::strArray(lines, ""));
    co_return EXIT_OK;
  }

  static kj::String jsonLine(api::SessionInfo::Reader session) {
    JsonWriter json;
    json.beginObject()
        .field("id", session.getId().asArray())
        .field("sandboxName", session.getSandboxName().asArray())
        .field("sandboxId", session.getSandboxId().asArray())
        .field("status", session.getStatus().asArray())
        .field("createdAt", session.getCreatedAt())
        .field("workspace", session.getWorkspace().asArray())
        .endObject();
    return kj::str(json.finish(), "\n");
  }
};

// One that acts on a session and answers nothing.
class ActionCommand {
 public:
  enum Action { SUSPEND, RESUME, DELETE };

  ActionCommand(CommandLine& commandLine, Action action): commandLine(commandLine), action(action) {}

  kj::MainFunc build() {
    kj::MainBuilder builder(commandLine, versionText(), description(), CLIENT_ENVIRONMENT);
    session.addTo(builder);
    return builder
        .callAfterParsing([this]() -> kj::MainBuilder::Validity {
          KJ_IF_MAYBE(problem, session.problem()) { return kj::mv(*problem); }
          runClient(commandLine, [this](kj::AsyncIoContext& io) {
            return act(io).exclusiveJoin(endedBySignal(io));
          });
          return true;
        })
        .build();
  }

 private:
  CommandLine& commandLine;
  Action action;
  SessionOptions session;

  kj::StringPtr description() {
    switch (action) {
      case SUSPEND:
        return "Freezes the session's sandbox; its next use resumes it. Succeeds when there is none.";
      case RESUME:
        return "Makes sure that the session's sandbox runs: resumes it, or makes it.";
      case DELETE:
        return "Deletes the session's sandbox and everything in it. Succeeds when there is none.";
    }
    KJ_UNREACHABLE;
  }

  kj::Promise<int> act(kj::AsyncIoContext& io) {
    auto client = co_await connectBridge(io);
    auto target = session.open(*client);
    switch (action) {
      case SUSPEND: co_await target.suspendRequest().send().ignoreResult(); break;
      case RESUME: co_await target.prepareRequest().send().ignoreResult(); break;
      case DELETE: co_await target.destroyRequest().send().ignoreResult(); break;
    }
    co_return EXIT_OK;
  }
};

kj::MainFunc newAction(CommandLine& commandLine, ActionCommand::Action action) {
  return commandLine.arena.allocate<ActionCommand>(commandLine, action).build();
}

}  // namespace

kj::MainFunc newSessionsCommand(CommandLine& commandLine) {
  return commandLine.arena.allocate<SessionsCommand>(commandLine).build();
}
kj::MainFunc newSuspendCommand(CommandLine& commandLine) {
  return newAction(commandLine, ActionCommand::SUSPEND);
}
kj::MainFunc newResumeCommand(CommandLine& commandLine) {
  return newAction(commandLine, ActionCommand::RESUME);
}
kj::MainFunc newDeleteCommand(CommandLine& commandLine) {
  return newAction(commandLine, ActionCommand::DELETE);
}

}  // namespace sandbridge
