#include "base/coroutine.h"
#include "base/ids.h"
#include "tools/output-tail.h"
#include "tools/questions.h"

#include <algorithm>

namespace sandbridge {

namespace {

constexpr kj::StringPtr OUTPUT_DIR = "/tmp/.sandbridge/output"_kj;
// A command that prints without end must not fill the sandbox's disk.
constexpr uint64_t MAX_COPY = 256u << 20;

// A copy is kept if the answer might not have room for everything: a byte that is not UTF-8 takes three
// there.
constexpr size_t COPY_LINES = OUTPUT_LINES - 1, COPY_BYTES = OUTPUT_BYTES / 3;

constexpr auto TIMEOUT_SLACK = 100 * kj::MILLISECONDS;

// Most commands end sooner, and need not pay for the question whether they shall.
constexpr auto STOPPABLE_AFTER = 50 * kj::MILLISECONDS;

// Sends what a command prints to the person behind the call, one chunk at a time. A slow one misses
// the older part of what came meanwhile, as only the end is ever shown; the command does not wait
// for it.
class LiveOutput {
 public:
  explicit LiveOutput(ToolUi& ui) : ui(ui) {}

  void add(Bytes bytes) {
    if (broken) return;
    pending.append(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
    if (pending.size() > CHUNK) pending.erase(0, pending.size() - CHUNK);
    if (!sending) {
      sending = true;
      loop = send().eagerlyEvaluate(nullptr);
    }
  }

  // Resolves when everything is sent.
  kj::Promise<void> finish() { return kj::mv(loop); }

 private:
  static constexpr size_t CHUNK = 65536;

  ToolUi& ui;
  std::string pending, current;
  bool sending = false, broken = false;
  kj::Promise<void> loop = kj::READY_NOW;

  kj::Promise<void> send() {
    try {
      // Chunks that arrive together go out together.
      co_await kj::evalLater([]() {});
      while (!pending.empty()) {
        current = std::move(pending);
        pending.clear();
        co_await ui.output(kj::arrayPtr(current.data(), current.size()).asBytes());
      }
    } catch (kj::Exception&) {
      // Nobody watches any more. The command goes on; the result has it all.
      broken = true;
    }
    sending = false;
  }
};

class Collector final : public OutputReceiver {
 public:
  explicit Collector(ToolUi& ui) : live(ui) {}

  OutputTail tail;
  LiveOutput live;

  kj::Promise<void> stdoutChunk(Bytes bytes) override {
    tail.append(bytes);
    live.add(bytes);
    return kj::READY_NOW;
  }
  kj::Promise<void> stderrChunk(Bytes bytes) override { return stdoutChunk(bytes); }
};

// The end of the output as user interfaces show it.
kj::String preview(TextView output, bool whole) {
  if (whole && output.size() <= PREVIEW_CHARS) return encodeUtf8(output);
  return kj::str("...\n\n", encodeUtf8(tailUnits(output, PREVIEW_CHARS)));
}

struct Ending {
  kj::Maybe<unsigned> exitCode;  // null: it was ended
  kj::String note;               // why, for the model
};

kj::String shellNote(kj::StringPtr text) {
  return kj::str("\n\n<shell_metadata>\n", text, "\n</shell_metadata>");
}

kj::String timeoutNote(uint64_t timeoutMs) {
  return shellNote(kj::str(
      "shell tool terminated command after exceeding timeout ", timeoutMs,
      " ms. If this command is expected to take longer and is not waiting for interactive input, "
      "retry with a larger timeout value in milliseconds."));
}

// The command as it runs, until it has ended or was ended: by its time or by the person.
kj::Promise<Ending> runToEnd(ToolContext& context, WorkspaceCommand command,
                             OutputReceiver& output, uint64_t timeoutMs, ToolUi& ui) {
  // Beyond some years the sum of durations would overflow.
  auto timeout = std::min<uint64_t>(timeoutMs, uint64_t(1) << 40) * kj::MILLISECONDS + TIMEOUT_SLACK;
  command.timeout = timeout;
  auto stop = context.timer.afterDelay(STOPPABLE_AFTER).then([&]() { return ui.awaitStop(); }).fork();
  auto stopped = []() { return Ending{nullptr, shellNote("User aborted the command")}; };

  kj::Maybe<kj::Own<WorkspaceProcess>> starting =
      co_await context.workspace.start(kj::mv(command), output)
          .then([](kj::Own<WorkspaceProcess>&& p) { return kj::Maybe<kj::Own<WorkspaceProcess>>(kj::mv(p)); })
          .exclusiveJoin(stop.addBranch().then(
              []() { return kj::Maybe<kj::Own<WorkspaceProcess>>(nullptr); }));
  kj::Own<WorkspaceProcess> process;
  KJ_IF_MAYBE (p, starting) {
    process = kj::mv(*p);
  } else {
    co_return stopped();
  }

  bool stopping = false;
  auto givenUp = [&]() { return context.timer.afterDelay(DEATH_GRACE); };
  auto overdue = context.timer.afterDelay(timeout).then(givenUp);
  auto killed = stop.addBranch().then([&]() {
    stopping = true;
    return process->terminate();
  }).then(givenUp);
  auto late = overdue.exclusiveJoin(kj::mv(killed)).then([]() {
    return ExitStatus{ExitStatus::TIMED_OUT, 0};
  });
  auto status = co_await process->wait().exclusiveJoin(kj::mv(late));
  if (stopping) co_return stopped();
  if (status.kind == ExitStatus::TIMED_OUT) co_return Ending{nullptr, timeoutNote(timeoutMs)};
  co_return Ending{status.shellCode(), kj::str()};
}

ToolResult makeResult(kj::StringPtr command, Collector& collector, Ending ending,
                      kj::StringPtr file, kj::StringPtr notice) {
  bool saved = !collector.tail.removeSuffix(view(notice));
  auto text = collector.tail.text();
  bool whole = collector.tail.isWhole();
  bool cut = !whole || size_t(std::count(text.begin(), text.end(), '\n')) + 1 > OUTPUT_LINES ||
             utf8Size(text) > OUTPUT_BYTES;
  auto body = text;
  kj::String header = kj::str();
  if (cut) {
    header =
        kj::str("...output truncated...\n\n",
                saved ? kj::str("Full output saved to: ", file)
                      : kj::str("The full output could not be saved: the sandbox's disk is full "
                                "or the output too long."),
                "\n\n");
    body = tailWithin(text, OUTPUT_LINES, OUTPUT_BYTES);
  }

  ToolResult result;
  result.title = validUtf8(command.asBytes());
  result.output = kj::str(header, body.empty() ? kj::str("(no output)") : encodeUtf8(body), ending.note);
  auto shown = preview(text, whole);
  if (text.empty()) shown = preview(decodeUtf8(result.output), true);
  JsonWriter metadata;
  metadata.beginObject().field("output", shown).key("exit");
  KJ_IF_MAYBE (code, ending.exitCode) {
    metadata.value(*code);
  } else {
    metadata.value(nullptr);
  }
  metadata.field("truncated", cut);
  if (cut && saved) metadata.field("outputPath", file);
  metadata.endObject();
  result.metadata = metadata.finish();
  return result;
}

}  // namespace

kj::Promise<ToolResult> runBash(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto command = arguments.word("command", COMMAND_BYTES);
    auto workdir = resolvePath(context.root, arguments.word("workdir", PATH_BYTES));
    uint64_t timeoutMs = arguments.number("timeout", DEFAULT_TIMEOUT_MS);
    if (command.empty()) throw Refusal{kj::str("The argument 'file' cannot be empty. Received ''")};

    auto id = randomToken();
    auto file = kj::str(OUTPUT_DIR, "/tool_", id.slice(0, 26));
    auto notice =
        kj::str("\n[sandbridge ", id.slice(26), ": the copy of this output is incomplete]\n");
    WorkspaceCommand start;
    start.argv = kj::arr(kj::str("bash"), kj::str("-c"), toKj(command));
    start.inShell = true;
    start.copy = OutputCopy{kj::str(file), COPY_LINES, COPY_BYTES, MAX_COPY, kj::str(notice)};
    start.workdir = toKj(workdir);
    start.environment = kj::arr(EnvironmentVariable{kj::str("OPENCODE"), kj::str("1")});
    start.mergeStderr = true;

    // Whatever the command does to the files, also while a person answers to another call.
    KJ_DEFER(context.files.forgetAll());
    Collector collector(ui);
    Ending ending;
    kj::Maybe<kj::Exception> failure;
    try {
      ending = co_await runToEnd(context, kj::mv(start), collector, timeoutMs, ui);
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      if (isInfrastructure(*e)) kj::throwFatalException(kj::mv(*e));
      switch (kindOf(*e)) {
        case ErrorKind::NOT_FOUND:
          throw Refusal{fileSystemError("NotFound", "access", workdir)};
        case ErrorKind::INVALID_ARGUMENT:
          throw Refusal{kj::str("ENOTDIR: not a directory, posix_spawn '/bin/bash'")};
        default:
          throw Refusal{textOf(*e)};
      }
    }
    // The last of the live output may need a moment; somebody who does not take it must not hold up
    // the result.
    co_await collector.live.finish().exclusiveJoin(context.timer.afterDelay(2 * kj::SECONDS));
    co_return makeResult(toKj(command), collector, kj::mv(ending), file, notice);
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
