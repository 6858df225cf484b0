#include "base/coroutine.h"
#include "tools/process-scripts.h"
#include "tools/questions.h"

#include <algorithm>

namespace sandbridge {

namespace {

// How long an answer waits for more to tell, unless told otherwise, and at most.
constexpr uint64_t START_WAIT_MS = 500, INPUT_WAIT_MS = 500, MAX_WAIT_MS = 30000;
// What is sent and started travels in a script's arguments.
constexpr size_t TEXT_BYTES = 64u << 10;

using Process = ProcessReport::Process;

kj::String needs(kj::StringPtr action, kj::StringPtr name) {
  return kj::str("The process tool's action \"", action, "\" needs \"", name, "\".");
}

void require(const Arguments& arguments, kj::StringPtr action, kj::StringPtr name) {
  if (!arguments.has(name)) throw Refusal{needs(action, name)};
}

kj::String stateText(const Process& process) {
  switch (process.state) {
    case Process::RUNNING:
      return kj::str("running");
    case Process::ENDED:
      return kj::str("exited with code ", process.code);
    case Process::LOST:
      return kj::str("gone: it ended without leaving its exit code");
  }
  KJ_UNREACHABLE;
}

// One line, whatever the command is.
kj::String commandText(const Process& process) {
  auto text = std::string(view(validUtf8(chars(process.command).asBytes())));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return toKj(text);
}

kj::String portsText(const std::vector<uint16_t>& ports) {
  if (ports.empty()) return kj::str();
  return kj::str("\nPorts that something in the sandbox listens on: ",
                 kj::strArray(kj::arrayPtr(ports.data(), ports.size()), ", "));
}

void write(JsonWriter& metadata, const Process& process) {
  metadata.field("id", process.number)
      .field("command", chars(process.command))
      .field("workdir", chars(process.workdir))
      .field("running", process.state == Process::RUNNING)
      .key("exit");
  if (process.state == Process::ENDED) {
    metadata.value(process.code);
  } else {
    metadata.value(nullptr);
  }
  metadata.field("startedAt", process.started * 1000).field("end", process.end);
}

void write(JsonWriter& metadata, const std::vector<uint16_t>& ports) {
  metadata.key("ports").beginArray();
  for (auto port : ports) metadata.value(unsigned(port));
  metadata.endArray();
}

// One process, with output.
ToolResult tell(const ProcessReport& report) {
  if (report.processes.size() != 1) {
    throw Refusal{kj::str("The sandbox told of ", report.processes.size(), " processes, not of one.")};
  }
  auto& process = report.processes[0];
  auto text = validUtf8(chars(process.output).asBytes());
  auto last = process.from + process.output.size();
  kj::String output;
  if (process.output.empty()) {
    output = kj::str("(no ", process.end == 0 ? "output" : "more output", ")");
  } else {
    output = kj::str("<output from=\"", process.from, "\" to=\"", last, "\">\n", text,
                     text.endsWith("\n") ? "" : "\n", "</output>");
  }
  kj::String more = kj::str();
  if (last < process.end) more = kj::str("\n(", process.end - last, " more bytes: use offset=", last, " to continue.)");
  else if (process.state == Process::RUNNING) more = kj::str("\n(Use offset=", last, " to read what comes next.)");

  ToolResult result;
  result.title = commandText(process);
  result.output = kj::str("Process ", process.number, " (", stateText(process), "): ", commandText(process),
                          portsText(report.ports), "\n", output, more);
  JsonWriter metadata;
  metadata.beginObject();
  write(metadata, process);
  metadata.field("output", text).field("offset", last);
  write(metadata, report.ports);
  metadata.field("truncated", last < process.end).endObject();
  result.metadata = metadata.finish();
  return result;
}

ToolResult tellAll(ProcessReport report) {
  std::sort(report.processes.begin(), report.processes.end(),
            [](const Process& a, const Process& b) { return a.number < b.number; });
  kj::Vector<kj::String> lines;
  JsonWriter metadata;
  metadata.beginObject().key("processes").beginArray();
  size_t running = 0;
  for (auto& process : report.processes) {
    lines.add(kj::str("Process ", process.number, " (", stateText(process), ", ", process.end,
                      " bytes of output): ", commandText(process)));
    if (process.state == Process::RUNNING) ++running;
    metadata.beginObject();
    write(metadata, process);
    metadata.endObject();
  }
  if (lines.empty()) lines.add(kj::str("There are no background processes."));
  metadata.endArray();
  write(metadata, report.ports);
  metadata.field("truncated", false).endObject();
  ToolResult result;
  result.title = kj::str(running, " running");
  result.output = kj::str(kj::strArray(lines, "\n"), portsText(report.ports));
  result.metadata = metadata.finish();
  return result;
}

kj::String refusalText(unsigned code, kj::StringPtr workdir, kj::StringPtr id, kj::ArrayPtr<const kj::byte> said) {
  switch (code) {
    case NO_PROCESS_DIRECTORY:
      return kj::str("The sandbox has no room in /tmp for what is known of the process; nothing was started.");
    case NO_PROCESS_WORKDIR:
      return fileSystemError("NotFound", "access", view(workdir));
    case NO_PROCESS_GROUP:
      return kj::str("The shell of this sandbox cannot give a process a group of its own; nothing was started.");
    case TOO_MANY_PROCESSES:
      return kj::str(MAX_PROCESSES, " background processes run already. Kill some of them first.");
    case NO_SUCH_PROCESS:
      return kj::str("There is no process ", id, ". The action \"list\" tells which there are.");
    case NO_PROCESS_INPUT:
      return kj::str("Process ", id, " takes no input: it has ended, its input is closed, or it does not read. "
                     "A part of the text may have reached it.");
    default:
      return kj::str("The sandbox could not do it: ", validUtf8(said));
  }
}

}  // namespace

kj::Promise<ToolResult> runProcess(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    std::string action = arguments.string("action");
    auto actionText = validUtf8(chars(action).asBytes());
    auto workdir = toKj(resolvePath(context.root, arguments.word("workdir", PATH_BYTES)));
    auto id = kj::str(arguments.number("id", 0));
    auto wait = [&](uint64_t usual) {
      return kj::str(std::min(arguments.number("wait", usual), MAX_WAIT_MS));
    };

    ProcessScript script;
    kj::Array<kj::String> args;
    if (action == "start") {
      require(arguments, actionText, "command"_kj);
      auto command = arguments.word("command", TEXT_BYTES);
      if (command.empty()) throw Refusal{needs(actionText, "command"_kj)};
      script = ProcessScript::START;
      args = kj::arr(kj::str(workdir), toKj(command), wait(START_WAIT_MS));
    } else if (action == "list") {
      script = ProcessScript::LIST;
    } else if (action == "output") {
      require(arguments, actionText, "id"_kj);
      script = ProcessScript::OUTPUT;
      auto offset = arguments.has("offset") ? kj::str(arguments.number("offset", 0)) : kj::str();
      args = kj::arr(kj::str(id), kj::mv(offset), wait(0));
    } else if (action == "input") {
      require(arguments, actionText, "id"_kj);
      if (!arguments.flag("close")) require(arguments, actionText, "input"_kj);
      script = ProcessScript::INPUT;
      args = kj::arr(kj::str(id), toKj(arguments.word("input", TEXT_BYTES)),
                     kj::str(arguments.flag("close") ? "close" : ""), wait(INPUT_WAIT_MS));
    } else if (action == "kill") {
      require(arguments, actionText, "id"_kj);
      script = ProcessScript::KILL;
      args = kj::arr(kj::str(id));
    } else {
      throw Refusal{kj::str("The process tool has no action \"", actionText,
                            "\"; there are start, output, input, kill and list.")};
    }
    bool all = script == ProcessScript::LIST;
    auto captured = co_await runProcessScript(context, script, kj::mv(args));
    if (!captured.status.success()) {
      throw Refusal{refusalText(captured.status.shellCode(), workdir, id, captured.errorOutput)};
    }
    auto report = parseProcessReport(
        {reinterpret_cast<const char*>(captured.output.begin()), captured.output.size()});
    co_return all ? tellAll(std::move(report)) : tell(report);
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
