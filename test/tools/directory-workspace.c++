#include "directory-workspace.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "tools/paths.h"
#include "tools/shell-argv.h"
#include "tools/text.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sandbridge::test {

namespace fs = std::filesystem;

namespace {

class FileInput final : public kj::AsyncInputStream {
 public:
  explicit FileInput(kj::AutoCloseFd fd) : fd(kj::mv(fd)) {}
  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    size_t total = 0;
    while (total < minBytes) {
      ssize_t n;
      KJ_SYSCALL(n = ::read(fd, reinterpret_cast<char*>(buffer) + total, maxBytes - total));
      if (n == 0) break;
      total += n;
    }
    return total;
  }

 private:
  kj::AutoCloseFd fd;
};

kj::Promise<void> pump(kj::Own<kj::AsyncInputStream> from, OutputReceiver& to, bool isStdout) {
  auto buffer = kj::heapArray<kj::byte>(65536);
  for (;;) {
    size_t n = co_await from->tryRead(buffer.begin(), 1, buffer.size());
    if (n == 0) break;
    if (isStdout) {
      co_await to.stdoutChunk(buffer.slice(0, n));
    } else {
      co_await to.stderrChunk(buffer.slice(0, n));
    }
  }
}

class LocalProcess final : public WorkspaceProcess {
 public:
  LocalProcess(kj::AsyncIoContext& io, pid_t pid, kj::Promise<void> streams,
               kj::Maybe<kj::Duration> timeout, kj::Maybe<kj::Own<kj::AsyncOutputStream>> input)
      : io(io),
        input(kj::mv(input)),
        group(pid),
        pid(pid),
        streams(kj::mv(streams)),
        exit(io.unixEventPort.onChildExit(this->pid).fork()),
        timeout(timeout) {}
  ~LocalProcess() noexcept(false) {
    if (!ended) kill(-group, SIGKILL);
    KJ_IF_MAYBE (p, pid) {
      waitpid(*p, nullptr, 0);
    }
  }

  kj::Promise<ExitStatus> wait() override {
    bool late = false;
    auto killer = watch(late).eagerlyEvaluate(nullptr);
    int status = co_await exit.addBranch();
    co_await streams;
    ended = true;
    if (late) co_return ExitStatus{ExitStatus::TIMED_OUT, 0};
    if (WIFSIGNALED(status)) co_return ExitStatus{ExitStatus::SIGNALED, unsigned(WTERMSIG(status))};
    co_return ExitStatus{ExitStatus::EXITED, unsigned(WEXITSTATUS(status))};
  }
  kj::Promise<void> signal(int number) override {
    kill(-group, number);
    return kj::READY_NOW;
  }
  kj::Promise<void> terminate() override {
    kill(-group, SIGTERM);
    co_await io.provider->getTimer().afterDelay(3 * kj::SECONDS);
    kill(-group, SIGKILL);
  }
  kj::Promise<void> writeStdin(kj::ArrayPtr<const kj::byte> bytes) override {
    auto copy = kj::heapArray<kj::byte>(bytes);
    auto written = KJ_ASSERT_NONNULL(input)->write(copy.begin(), copy.size());
    return written.attach(kj::mv(copy));
  }
  kj::Promise<void> closeStdin() override {
    input = nullptr;
    return kj::READY_NOW;
  }

 private:
  kj::AsyncIoContext& io;
  kj::Maybe<kj::Own<kj::AsyncOutputStream>> input;
  pid_t group;
  kj::Maybe<pid_t> pid;
  kj::Promise<void> streams;
  kj::ForkedPromise<int> exit;
  kj::Maybe<kj::Duration> timeout;
  bool ended = false;

  kj::Promise<void> watch(bool& late) {
    KJ_IF_MAYBE (t, timeout) {
      co_await io.provider->getTimer().afterDelay(*t);
      late = true;
      co_await terminate();
    }
  }
};

class Capture final : public OutputReceiver {
 public:
  kj::Vector<kj::byte> out, err;
  size_t limit;
  explicit Capture(size_t limit) : limit(limit) {}

  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    if (out.size() + bytes.size() > limit)
      throwError(ErrorKind::FAILED, "more output than the limit");
    out.addAll(bytes);
    return kj::READY_NOW;
  }
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    err.addAll(bytes);
    return kj::READY_NOW;
  }
};

[[noreturn]] void throwErrno(kj::StringPtr path) {
  int error = errno;
  auto text = kj::str(path, ": ", strerror(error));
  switch (error) {
    case ENOENT:
      throwError(ErrorKind::NOT_FOUND, text);
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
      throwError(ErrorKind::INVALID_ARGUMENT, text);
    case EACCES:
      throwError(ErrorKind::DENIED, text);
    default:
      throwError(ErrorKind::FAILED, text);
  }
}

}  // namespace

DirectoryWorkspace::DirectoryWorkspace(kj::AsyncIoContext& io) : io(io) {
  char name[] = "/tmp/sandbridge-test-XXXXXX";
  KJ_REQUIRE(mkdtemp(name) != nullptr);
  top = name;
  rootPath = top + "/workspace";
  rootText = toKj(rootPath);
  // A git repository, so that .gitignore counts.
  fs::create_directories(rootPath + "/.git/objects");
  fs::create_directories(rootPath + "/.git/refs");
  std::ofstream(rootPath + "/.git/HEAD") << "ref: refs/heads/main\n";
}

DirectoryWorkspace::~DirectoryWorkspace() noexcept(false) {
  fs::remove_all(top);
}

std::string DirectoryWorkspace::resolve(std::string_view path) const {
  return joinToRoot(rootPath, path);
}

void DirectoryWorkspace::put(std::string_view path, std::string_view content) {
  auto full = resolve(path);
  fs::create_directories(fs::path(full).parent_path());
  std::ofstream(full, std::ios::binary) << content;
}

kj::Maybe<std::string> DirectoryWorkspace::get(std::string_view path) const {
  auto full = resolve(path);
  if (!fs::is_regular_file(full)) return nullptr;
  std::ostringstream out;
  out << std::ifstream(full, std::ios::binary).rdbuf();
  return out.str();
}

void DirectoryWorkspace::clear() {
  for (auto& entry : fs::directory_iterator(top)) {
    if (entry.path() != rootPath) fs::remove_all(entry.path());
  }
  for (auto& entry : fs::directory_iterator(rootPath)) {
    if (entry.path().filename() != ".git") fs::remove_all(entry.path());
  }
}

kj::Promise<kj::Own<WorkspaceProcess>> DirectoryWorkspace::start(WorkspaceCommand command,
                                                                 OutputReceiver& output) {
  ++roundTrips;
  if (startHangs) return kj::NEVER_DONE;
  std::string cwd = command.workdir.size() == 0 ? rootPath : std::string(view(command.workdir));
  if (!fs::exists(cwd)) throwError(ErrorKind::NOT_FOUND, kj::str("no such directory"));
  if (!fs::is_directory(cwd)) throwError(ErrorKind::INVALID_ARGUMENT, kj::str("no directory"));
  std::vector<char*> argv;
  auto words = shellArgv(command);
  for (auto& arg : words) argv.push_back(const_cast<char*>(arg.cStr()));
  argv.push_back(nullptr);
  int in[2] = {-1, -1}, out[2], err[2];
  if (command.keepStdin) {
    KJ_SYSCALL(pipe2(in, O_CLOEXEC));
  }
  KJ_SYSCALL(pipe2(out, O_CLOEXEC));
  KJ_SYSCALL(pipe2(err, O_CLOEXEC));
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (chdir(cwd.c_str()) != 0) _exit(126);
    dup2(command.keepStdin ? in[0] : open("/dev/null", O_RDONLY), 0);
    dup2(out[1], 1);
    dup2(command.mergeStderr ? out[1] : err[1], 2);
    for (auto& variable : command.environment)
      setenv(variable.name.cStr(), variable.value.cStr(), 1);
    if (!searchPath.empty()) setenv("PATH", searchPath.c_str(), 1);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  setpgid(pid, pid);
  close(out[1]);
  close(err[1]);
  auto& lowLevel = *io.lowLevelProvider;
  kj::Maybe<kj::Own<kj::AsyncOutputStream>> input;
  if (command.keepStdin) {
    close(in[0]);
    input = lowLevel.wrapOutputFd(kj::AutoCloseFd(in[1]));
  }
  auto streams = pump(lowLevel.wrapInputFd(kj::AutoCloseFd(out[0])), output, true);
  auto errors = pump(lowLevel.wrapInputFd(kj::AutoCloseFd(err[0])), output, false);
  auto both = kj::heapArrayBuilder<kj::Promise<void>>(2);
  both.add(kj::mv(streams));
  both.add(kj::mv(errors));
  return kj::Own<WorkspaceProcess>(kj::heap<LocalProcess>(
      io, pid, kj::joinPromises(both.finish()).eagerlyEvaluate(nullptr), command.timeout,
      kj::mv(input)));
}

kj::Promise<Workspace::Captured> DirectoryWorkspace::runScript(kj::StringPtr script,
                                                               kj::Array<kj::String> args,
                                                               size_t limit) {
  kj::Vector<kj::String> argv;
  argv.add(kj::str("/bin/sh"));
  argv.add(kj::str("-c"));
  argv.add(kj::str(script));
  argv.add(kj::str("sh"));
  size_t bytes = 0;
  for (auto& arg : args) {
    bytes += arg.size();
    KJ_REQUIRE(strlen(arg.cStr()) == arg.size(), "an argument with a NUL");
    argv.add(kj::mv(arg));
  }
  KJ_REQUIRE(bytes < 96u << 10, "too many arguments");
  Capture capture(limit);
  WorkspaceCommand command;
  command.argv = argv.releaseAsArray();
  auto process = co_await start(kj::mv(command), capture);
  auto status = co_await process->wait();
  co_return Captured{status, capture.out.releaseAsArray(), capture.err.releaseAsArray()};
}

kj::Promise<kj::Own<kj::AsyncInputStream>> DirectoryWorkspace::readFile(kj::StringPtr path) {
  ++roundTrips;
  int fd = open(resolve(view(path)).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throwErrno(path);
  return kj::Own<kj::AsyncInputStream>(kj::heap<FileInput>(kj::AutoCloseFd(fd)));
}

kj::Promise<void> DirectoryWorkspace::writeFile(kj::StringPtr path,
                                                kj::Own<kj::AsyncInputStream> content,
                                                uint64_t size) {
  ++roundTrips;
  auto full = resolve(view(path));
  auto bytes = co_await content->readAllBytes();
  KJ_REQUIRE(bytes.size() == size);
  writeWhole(full, bytes);
}

void DirectoryWorkspace::writeWhole(std::string full, kj::ArrayPtr<const kj::byte> bytes) {
  if (failingWrites.contains(relativePath(rootPath, full))) {
    throwError(ErrorKind::FAILED, "no space left in the sandbox");
  }
  std::error_code ignored;  // the next call says it
  fs::create_directories(fs::path(full).parent_path(), ignored);
  struct stat st;
  if (stat(full.c_str(), &st) < 0) {
    if (errno != ENOENT) throwErrno(toKj(full));
  } else if (!S_ISREG(st.st_mode)) {
    throwError(ErrorKind::INVALID_ARGUMENT, "no regular file");
  }
  auto real = fs::weakly_canonical(full);
  // At once, as in a sandbox: who looks sees the old content or the new.
  auto temporary = real.string() + ".new";
  {
    int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) throwErrno(toKj(full));
    kj::FdOutputStream(kj::AutoCloseFd(fd)).write(bytes.begin(), bytes.size());
  }
  if (rename(temporary.c_str(), real.c_str()) < 0) throwErrno(toKj(full));
}

kj::Promise<kj::Maybe<FileState>> DirectoryWorkspace::replaceFile(
    kj::StringPtr path, kj::Maybe<kj::ArrayPtr<const kj::byte>> before,
    kj::ArrayPtr<const kj::byte> after) {
  auto full = resolve(view(path));
  if (auto visit = intruder) visit(full);  // it may come once only
  struct stat st;
  bool same = before == nullptr && stat(full.c_str(), &st) < 0;
  KJ_IF_MAYBE (bytes, before) {
    auto present = get(full);
    KJ_IF_MAYBE (p, present) {
      same = kj::arrayPtr(p->data(), p->size()).asBytes() == *bytes;
    }
  }
  if (same) {
    ++roundTrips;
    writeWhole(full, after);
    co_return kj::Maybe<FileState>(nullptr);
  }
  auto captured = co_await runScript(
      lookScript(), kj::arr(kj::str(LOOK_INLINE_BYTES), kj::str("boundary"), kj::str(rootText), kj::str(path)), 2u << 20);
  co_return kj::Maybe<FileState>(kj::mv(parseLook(captured.output, "boundary", 1)[0]));
}

TestLoop::TestLoop()
    : io([]() {
        static bool once = (kj::UnixEventPort::captureChildExit(), true);
        (void)once;
        return kj::setupAsyncIo();
      }()) {}

kj::Promise<void> RecordingUi::ask(Question question) {
  Asked a;
  a.permission = view(question.permission);
  for (auto& p : question.patterns) a.patterns.emplace_back(view(p));
  for (auto& p : question.always) a.always.emplace_back(view(p));
  a.metadata = view(question.metadata);
  asked.push_back(std::move(a));
  if (refusal.empty()) return kj::READY_NOW;
  return makeError(ErrorKind::DENIED, toKj(refusal));
}

kj::Promise<void> RecordingUi::output(kj::ArrayPtr<const kj::byte> bytes) {
  KJ_REQUIRE(bytes.size() <= 65536);
  ++outputs;
  shown.append(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  stopIfShown();
  if (outputHangs) return kj::NEVER_DONE;
  return kj::READY_NOW;
}

kj::Promise<void> RecordingUi::awaitStop() {
  stop = kj::newPromiseAndFulfiller<void>();
  stopIfShown();
  return kj::mv(stop.promise);
}

void RecordingUi::stopIfShown() {
  KJ_IF_MAYBE (text, stopAt) {
    if (shown.find(*text) != std::string::npos) stop.fulfiller->fulfill();
  }
}

Bench::Bench() : workspace(loop.io), toolbox(newToolbox(workspace, loop.io.provider->getTimer(), memory)) {}

ToolResult Bench::call(kj::StringPtr tool, kj::StringPtr arguments) {
  return toolbox->call(tool, arguments, ui).wait(loop.io.waitScope);
}

}  // namespace sandbridge::test
