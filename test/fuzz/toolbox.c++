// A whole tool call, with hostile arguments, in a sandbox that answers whatever it likes.
// Input: the tool and its arguments (`read {"filePath":"a"}`), and after lines "====" what the sandbox answers to one
// request after the other, from the first again when there are no more. In an answer, `@boundary@` stands for the mark that
// scripts are given against forgery; one that begins with `!` is a failed command's, and with `~` it says how a file that
// is to be replaced has changed, with `b` for the mark.

#include "fuzz.h"

#include "base/error.h"
#include "base/json.h"
#include "tools/limits.h"
#include "tools/toolbox.h"

#include <kj/vector.h>

#include <string>

namespace sandbridge {
namespace {

using fuzz::require;
using Answers = kj::ArrayPtr<const kj::ArrayPtr<const char>>;

class HostileWorkspace final : public Workspace {
 public:
  explicit HostileWorkspace(Answers answers) : answers(answers) {}

  kj::StringPtr root() override { return "/workspace"; }

  kj::Promise<kj::Own<WorkspaceProcess>> start(WorkspaceCommand command, OutputReceiver& output) override {
    require(command.argv.size() > 0, "there is a command to run");
    for (auto& arg : command.argv) requireWord(arg);
    return kj::Own<WorkspaceProcess>(kj::heap<Process>(next(nullptr), output));
  }

  kj::Promise<Captured> runScript(kj::StringPtr script, kj::Array<kj::String> args, size_t limit) override {
    size_t total = 0;
    for (auto& arg : args) {
      requireWord(arg);
      total += arg.size();
    }
    require(total <= 96u << 10, "arguments of a script fit");
    auto answer = next(args);
    return Captured{statusOf(answer), kj::heapArray(kj::arrayPtr(answer.data(), answer.size()).asBytes()),
                    kj::heapArray<kj::byte>(0)};
  }

  kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::StringPtr path) override {
    requireWord(path);
    return kj::Own<kj::AsyncInputStream>(kj::heap<Content>(next(nullptr)));
  }

  kj::Promise<void> writeFile(kj::StringPtr path, kj::Own<kj::AsyncInputStream> content, uint64_t size) override {
    requireWord(path);
    auto& stream = *content;
    return stream.readAllBytes(EDIT_BYTES * 2).then([size](kj::Array<kj::byte> bytes) {
      require(bytes.size() == size, "as much is written as was said");
    }).attach(kj::mv(content));
  }

  kj::Promise<kj::Maybe<FileState>> replaceFile(kj::StringPtr path, kj::Maybe<fuzz::Bytes> before,
                                                fuzz::Bytes after) override {
    requireWord(path);
    auto answer = next(nullptr);
    // Most often nobody has changed the file.
    if (answer.empty() || answer[0] != '~') return kj::Maybe<FileState>(nullptr);
    answer.erase(0, 1);
    return kj::evalNow([&]() -> kj::Maybe<FileState> {
      return kj::mv(parseLook(kj::arrayPtr(answer.data(), answer.size()).asBytes(), "b", 1)[0]);
    });
  }

 private:
  Answers answers;
  size_t asked = 0;

  static void requireWord(kj::StringPtr word) {
    require(word.findFirst('\0') == nullptr, "what goes to a program has no NUL");
  }

  std::string next(kj::ArrayPtr<const kj::String> args) {
    if (answers.size() == 0) return {};
    auto answer = answers[asked++ % answers.size()];
    std::string text(answer.begin(), answer.size());
    constexpr std::string_view MARK = "@boundary@";
    if (args.size() < 2) return text;
    for (auto at = text.find(MARK); at != std::string::npos; at = text.find(MARK, at + args[1].size())) {
      text.replace(at, MARK.size(), args[1].cStr());
    }
    return text;
  }

  static ExitStatus statusOf(std::string& answer) {
    if (answer.empty() || answer[0] != '!') return {};
    answer.erase(0, 1);
    return {ExitStatus::EXITED, 1};
  }

  class Process final : public WorkspaceProcess {
   public:
    Process(std::string answer, OutputReceiver& output)
        : answer(kj::mv(answer)), output(output), status(statusOf(this->answer)), pieces(bytes()) {}

    kj::Promise<ExitStatus> wait() override {
      KJ_IF_MAYBE (piece, pieces.next()) {
        return output.stdoutChunk(*piece).then([this]() { return wait(); });
      }
      return status;
    }
    kj::Promise<void> signal(int) override { return kj::READY_NOW; }
    kj::Promise<void> terminate() override { return kj::READY_NOW; }
    kj::Promise<void> writeStdin(fuzz::Bytes) override { return kj::READY_NOW; }
    kj::Promise<void> closeStdin() override { return kj::READY_NOW; }

   private:
    std::string answer;
    OutputReceiver& output;
    ExitStatus status;
    fuzz::Pieces pieces;

    fuzz::Bytes bytes() { return kj::arrayPtr(answer.data(), answer.size()).asBytes(); }
  };

  class Content final : public kj::AsyncInputStream {
   public:
    explicit Content(std::string text) : text(kj::mv(text)) {}

    kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
      size_t n = kj::min(maxBytes, text.size() - at);
      memcpy(buffer, text.data() + at, n);
      at += n;
      return n;
    }

   private:
    std::string text;
    size_t at = 0;
  };
};

class CheckingUi final : public ToolUi {
 public:
  kj::Promise<void> ask(Question question) override {
    require(question.permission.size() > 0 && question.patterns.size() > 0, "a question says what it is about");
    for (auto& pattern : question.patterns) require(isValidUtf8(pattern), "a question is asked in valid UTF-8");
    for (auto& pattern : question.always) require(isValidUtf8(pattern), "a question is asked in valid UTF-8");
    require(tryParseJson(question.metadata) != nullptr, "a question's details are JSON");
    return kj::READY_NOW;
  }
  kj::Promise<void> output(fuzz::Bytes bytes) override {
    require(bytes.size() <= 65536, "live output comes in small pieces");
    return kj::READY_NOW;
  }
};

void checkResult(const ToolResult& result) {
  require(isValidUtf8(result.output) && isValidUtf8(result.title), "an answer is valid UTF-8");
  if (result.failed) {
    require(result.output.size() > 0, "a failure is told");
    return;
  }
  auto metadata = tryParseJson(result.metadata);
  KJ_IF_MAYBE (json, metadata) {
    require(json->IsObject(), "metadata is a JSON object");
  } else {
    require(false, "metadata is JSON");
  }
  // What comes on top of the output itself is bounded too.
  require(result.output.size() <= 4u << 20, "an answer is bounded");
}

}  // namespace

void fuzz::test(Bytes bytes) {
  auto& scope = fuzz::waitScope();
  auto parts = fuzz::parts(bytes);
  auto call = kj::heapString(parts[0]);
  auto blank = call.findFirst(' ').orDefault(call.size());
  auto name = kj::heapString(call.slice(0, blank));
  auto arguments = kj::heapString(call.slice(kj::min(blank + 1, call.size())));

  kj::TimerImpl timer(kj::origin<kj::TimePoint>());
  HostileWorkspace workspace(parts.slice(1, parts.size()));
  CheckingUi ui;
  FileMemory memory;
  auto toolbox = newToolbox(workspace, timer, memory);
  try {
    checkResult(toolbox->call(name, arguments, ui).wait(scope));
  } catch (kj::Exception& e) {
    fuzz::requireOurs(e);
  }
}

}  // namespace sandbridge
