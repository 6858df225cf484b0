#include "sandbox/workspace.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "sandbox/command-arguments.h"
#include "sandbox/command-script.h"

#include <kj/encoding.h>

#include <stdlib.h>
#include <string.h>

namespace sandbridge {

namespace {

using tensorlake::ProcessEvent;

constexpr kj::StringPtr ROOT = "/workspace"_kj;
constexpr size_t MAX_PATH = 4096;
constexpr kj::Duration SCRIPT_TIMEOUT = 120 * kj::SECONDS;
constexpr size_t MAX_ERROR_OUTPUT = 64u << 10;
// Content up to this size travels inside the script that puts it in place: one round trip. In
// base64 it must stay below the kernel's limit for one argument.
constexpr size_t INLINE_CONTENT = 72u << 10;
// Up to this size a file is sent whole where only a part of it changes: that takes fewer programs to
// put together.
constexpr size_t WHOLE_CONTENT = 16u << 10;
// Content up to this size is held in memory, so that its upload can be repeated.
constexpr size_t BUFFERED_CONTENT = 1u << 20;
constexpr kj::StringPtr NO_SPACE = "No space left on device"_kj;

// $1 file  $2 temporary file's base name  $3 how: inline (content in base64 is $4), check (only
// look whether it can be written), move (the content is in $4)  $5 the condition: the SHA-256 of
// what the file must hold, `absent`, or empty for none; with a hash, and inline, stay the first $6
// bytes and those from the $7th on. Exit codes: 21 directory, 22 no regular file, 23 no permission,
// 24 unusable path, 25 anything else, 26 the condition does not hold: then $8, the boundary, is used
// by look() to tell of the file, with at most $9 bytes of content.
constexpr kj::StringPtr WRITE_SCRIPT = R"sh(
f=$1 how=$3 source=$4 condition=$5 head=$6 tail=$7
refuse() { [ "$how" != move ] || rm -f "$source"; exit "$1"; }
parent() { directory=${1%/*}; [ -n "$directory" ] || directory=/; }
case $f in */)  # only a directory is called so
  parent "${f%/}"
  mkdir -p "$directory"
  refuse 21 ;;
esac
r=$f
if [ -L "$f" ]; then
  r=$(readlink -f "$f" && echo x) || refuse 24
  r=${r%?x}
fi
holds() {
  case $condition in
    '') ;;
    absent) [ ! -e "$r" ] ;;
    *) [ -f "$r" ] && [ "$(sha256sum <"$r")" = "$condition  -" ] ;;
  esac
}
if ! holds; then look "$9" "$8" "${10}" "$f"; refuse 26; fi
[ ! -d "$f" ] || refuse 21
parent "$f"
[ -d "$directory" ] || mkdir -p "$directory" || refuse 25
parent "$r"
if [ -e "$r" ]; then
  [ -f "$r" ] || refuse 22
  [ -w "$r" ] || refuse 23
else
  [ -d "$directory" ] || refuse 24
fi
[ -w "$directory" ] || refuse 23
[ "$how" != check ] || exit 0
t=$directory/$2
undo() { rm -f "$t" "$t.old"; refuse 25; }
if [ "$how" = inline ]; then
  { [ -z "$head" ] || head -c "$head" "$r"; } >"$t" && printf %s "$source" | base64 -d >>"$t" &&
    { [ -z "$tail" ] || tail -c "+$tail" "$r"; } >>"$t" || undo
elif [ "$t" != "$source" ]; then
  cp "$source" "$t" || undo
  rm -f "$source"
fi
if [ -e "$r" ]; then
  set -- $(stat -c '%h %u:%g %a' "$r" "$t")
  if [ "$1" != 1 ]; then
    cp -p "$r" "$t.old" || undo
    cat "$t" >"$r" || { cat "$t.old" >"$r"; undo; }
    rm -f "$t" "$t.old"
    exit 0
  fi
  if [ "$2" != "$5" ]; then
    chown "$2" "$t" 2>/dev/null
    chmod "$3" "$t" || undo
  fi
  [ "$3" = "$6" ] || chmod "$3" "$t" || undo
fi
mv -f "$t" "$r" || undo
)sh"_kj;

class LeasedInput final : public kj::AsyncInputStream {
 public:
  LeasedInput(SandboxAccess& access, kj::Own<SandboxUse> use, kj::Own<kj::AsyncInputStream> inner,
              kj::String path)
      : access(access), use(kj::mv(use)), inner(kj::mv(inner)), path(kj::mv(path)) {}

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    if (ended) return size_t(0);
    auto reading = inner->tryRead(buffer, minBytes, maxBytes);
    return access.cuts().wrap(reading
                                  .then([this, minBytes](size_t count) {
                                    if (count < minBytes) {
                                      ended = true;
                                      use = nullptr;
                                    }
                                    return count;
                                  })
                                  .catch_([this](kj::Exception&& e) -> kj::Promise<size_t> {
                                    return makeError(
                                        ErrorKind::UNAVAILABLE,
                                        kj::str("reading ", path, " broke off: ", textOf(e)));
                                  }));
  }
  kj::Maybe<uint64_t> tryGetLength() override { return inner->tryGetLength(); }

 private:
  SandboxAccess& access;
  kj::Own<SandboxUse> use;  // until the end; then `access` is not touched any more
  kj::Own<kj::AsyncInputStream> inner;
  kj::String path;
  bool ended = false;
};

// Kills a script whose caller has gone.
class ScriptRun {
 public:
  ScriptRun(SandboxAccess& access, SandboxUse& use) : access(access), use(use.addRef()) {}
  ~ScriptRun() noexcept(false) {
    if (pid != 0) {
      auto& plane = use->plane();
      // It may have ended meanwhile.
      access.background(access.timer()
                            .timeoutAfter(30 * kj::SECONDS, plane.kill(pid))
                            .catch_([](kj::Exception&&) {})
                            .attach(kj::mv(use)));
    }
  }
  KJ_DISALLOW_COPY(ScriptRun);

  uint32_t pid = 0;

 private:
  SandboxAccess& access;
  kj::Own<SandboxUse> use;
};

// What a script prints.
class Capture final : public OutputReceiver {
 public:
  explicit Capture(size_t limit) : limit(limit) {}

  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    addOutput(bytes);
    return kj::READY_NOW;
  }
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    addError(bytes);
    return kj::READY_NOW;
  }

  void addOutput(kj::ArrayPtr<const kj::byte> bytes) {
    if (out.size() + bytes.size() > limit) {
      throwError(ErrorKind::FAILED,
                 kj::str("the output of a script is longer than ", limit, " bytes."));
    }
    out.addAll(bytes);
  }
  void addError(kj::ArrayPtr<const kj::byte> bytes) {
    err.addAll(bytes.slice(0, kj::min(bytes.size(), MAX_ERROR_OUTPUT - err.size())));
  }
  kj::ArrayPtr<const char> errorOutput() { return err.asPtr().asChars(); }

  Workspace::Captured finish(ExitStatus status) {
    Workspace::Captured captured;
    captured.status = status;
    captured.output = out.releaseAsArray();
    captured.errorOutput = err.releaseAsArray();
    return captured;
  }

 private:
  size_t limit;
  kj::Vector<kj::byte> out, err;
};

class SandboxWorkspace final : public Workspace {
 public:
  SandboxWorkspace(SandboxAccess& access, Engine engine) : access(access), engine(engine) {}

  kj::StringPtr root() override { return ROOT; }

  kj::Promise<kj::Own<WorkspaceProcess>> start(WorkspaceCommand command,
                                               OutputReceiver& output) override {
    return kj::evalNow([&]() {
      auto workdir = resolvePath(ROOT, command.workdir);
      return startProcess(access, kj::mv(command), kj::mv(workdir), ROOT, engine, false, output)
          .then([](kj::Maybe<kj::Own<WorkspaceProcess>>&& process) {
            return kj::mv(KJ_ASSERT_NONNULL(process));
          });
    });
  }

  kj::Promise<Captured> runScript(kj::StringPtr script, kj::Array<kj::String> args,
                                  size_t limit) override {
    return kj::evalNow([&]() {
      size_t total = 0;
      checkArgument(script, "the script", total);
      for (auto& arg : args) checkArgument(arg, "an argument of the script", total);
      return access.cuts().wrap(script_(kj::heapString(script), kj::mv(args), limit, true));
    });
  }

  kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::StringPtr path) override {
    return kj::evalNow([&]() { return access.cuts().wrap(read(resolvePath(ROOT, path))); });
  }

  using Workspace::writeFile;
  kj::Promise<void> writeFile(kj::StringPtr path, kj::Own<kj::AsyncInputStream> content,
                              uint64_t size) override {
    return kj::evalNow([&]() {
      return access.cuts().wrap(write(resolveTarget(path), kj::mv(content), size));
    });
  }

  kj::Promise<kj::Maybe<FileState>> replaceFile(kj::StringPtr path,
                                                kj::Maybe<kj::ArrayPtr<const kj::byte>> before,
                                                kj::ArrayPtr<const kj::byte> after) override {
    return kj::evalNow([&]() {
      return access.cuts().wrap(replace(resolveTarget(path), before, after));
    });
  }

 private:
  SandboxAccess& access;
  Engine engine;

  // `killable`: a script whose caller has gone is killed; else it is left to finish.
  kj::Promise<Captured> script_(kj::String script, kj::Array<kj::String> args, size_t limit,
                                bool killable) {
    auto late = access.timer().afterDelay(SCRIPT_TIMEOUT).then([]() -> kj::Promise<Captured> {
      return makeError(ErrorKind::INTERRUPTED, kj::str("a script in the sandbox did not end within ",
                                                       SCRIPT_TIMEOUT / kj::SECONDS, " s."));
    });
    co_return co_await scriptByAny(kj::mv(script), kj::mv(args), limit, killable)
        .exclusiveJoin(kj::mv(late));
  }

  kj::Promise<Captured> scriptByAny(kj::String script, kj::Array<kj::String> args, size_t limit,
                                    bool killable) {
    if (engine != Engine::SHELL_ONLY) {
      WorkspaceCommand command;
      kj::Vector<kj::String> argv(args.size() + 4);
      for (auto word : {"sh", "-c"}) argv.add(kj::str(word));
      argv.add(kj::str(script));
      argv.add(kj::str("sh"));
      for (auto& arg : args) argv.add(kj::str(arg));
      command.argv = argv.releaseAsArray();
      Capture capture(limit);
      auto process = co_await startProcess(access, kj::mv(command), kj::heapString(ROOT), ROOT,
                                           Engine::HELPER_ONLY, !killable, capture);
      KJ_IF_MAYBE (p, process) co_return capture.finish(co_await (*p)->wait());
    }
    co_return co_await withSandbox(access, [&, limit, killable](SandboxUse& use) {
      return runOnce(use, script, args, limit, killable);
    });
  }

  kj::Promise<Captured> runOnce(SandboxUse& use, kj::StringPtr script,
                                kj::ArrayPtr<const kj::String> args, size_t limit, bool killable) {
    ScriptRun run(access, use);
    auto events = co_await use.plane().run(scriptRequest(script, args, ROOT));
    Capture capture(limit);
    kj::String status = kj::str("none");
    for (;;) {
      auto next = co_await events->next();
      if (next == nullptr) break;
      auto& event = KJ_ASSERT_NONNULL(next);
      if (event.kind == ProcessEvent::STARTED) {
        if (killable) run.pid = event.value;
      } else if (event.kind == ProcessEvent::STDOUT_LINE) {
        if (event.line.startsWith("x ")) {
          status = kj::heapString(event.line.slice(2));
          continue;
        }
        auto bytes = kj::decodeBase64(event.line.asArray());
        if (bytes.hadErrors)
          throwError(ErrorKind::INTERRUPTED, "the output of a script was garbled on its way.");
        capture.addOutput(bytes);
      } else if (event.kind == ProcessEvent::STDERR_LINE) {
        auto bytes = kj::decodeBase64(event.line.asArray());
        if (bytes.hadErrors) {
          capture.addError(event.line.asBytes());
          capture.addError("\n"_kj.asBytes());
        } else {
          capture.addError(bytes);
        }
      }
    }
    run.pid = 0;
    if (status == "none" || status == "fail") {
      throwError(ErrorKind::FAILED, kj::str("the sandbox could not run a script to its end: ",
                                            toValidUtf8(capture.errorOutput())));
    }
    co_return capture.finish(
        {ExitStatus::EXITED, static_cast<unsigned>(strtoul(status.cStr(), nullptr, 10))});
  }

  kj::Promise<kj::Own<kj::AsyncInputStream>> read(kj::String path) {
    kj::Maybe<kj::Exception> failure;
    try {
      co_return co_await withSandbox(access, [&](SandboxUse& use) {
        return use.plane()
            .readFile(kj::heapString(path))
            .then([this, &path, use = use.addRef()](kj::Own<kj::AsyncInputStream>&& stream) mutable
                  -> kj::Own<kj::AsyncInputStream> {
              return kj::heap<LeasedInput>(access, kj::mv(use), kj::mv(stream),
                                           kj::heapString(path));
            });
      });
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    auto& e = KJ_ASSERT_NONNULL(failure);
    auto answer = tensorlake::failureOf(e);
    if (answer.status == 404) throwError(ErrorKind::NOT_FOUND, kj::str(path, " does not exist."));
    if (answer.code == "IS_DIRECTORY") {
      throwError(ErrorKind::INVALID_ARGUMENT, kj::str(path, " is a directory, not a file."));
    }
    // The system's own words, which TensorLake's daemon passes on for what it has no code for.
    auto says = [&](const char* words) {
      return strstr(e.getDescription().cStr(), words) != nullptr;
    };
    if (says("Permission denied"))
      throwError(ErrorKind::DENIED, kj::str("no permission to read ", path, "."));
    if (answer.code == "NOT_A_DIRECTORY" || says("Not a directory")) {
      throwError(ErrorKind::NOT_FOUND,
                 kj::str(path, " does not exist: a part of it is not a directory."));
    }
    kj::throwFatalException(kj::mv(e));
  }

  // Removes the temporary file of an upload that did not come to its end.
  struct Cleanup {
    Cleanup(SandboxAccess& access, kj::String path) : access(access), path(kj::mv(path)) {}
    ~Cleanup() noexcept(false) {
      KJ_IF_MAYBE (u, use) {
        auto& plane = (*u)->plane();
        access.background(access.timer()
                              .timeoutAfter(30 * kj::SECONDS, plane.deleteFile(kj::mv(path)))
                              // Most often it was never made.
                              .catch_([](kj::Exception&&) {})
                              .attach(kj::mv(*u)));
      }
    }
    KJ_DISALLOW_COPY(Cleanup);
    SandboxAccess& access;
    kj::String path;
    kj::Maybe<kj::Own<SandboxUse>> use;
  };

  // What must be true of a file for it to be written.
  struct Condition {
    kj::Maybe<kj::String> hash;         // SHA-256 of what it holds; none: there is no file
    size_t head = 0, tail = 0, size = 0;  // how much of its two ends stays; of so many bytes
  };

  static kj::String temporaryName() {
    return kj::str(".sandbridge-", randomToken().slice(48), ".tmp");
  }

  kj::Promise<kj::Maybe<FileState>> replace(kj::String path,
                                            kj::Maybe<kj::ArrayPtr<const kj::byte>> before,
                                            kj::ArrayPtr<const kj::byte> after) {
    auto temporary = temporaryName();
    Condition condition;
    auto middle = after;
    KJ_IF_MAYBE (old, before) {
      condition.hash = sha256Hex(*old);
      size_t shorter = kj::min(old->size(), after.size());
      size_t head = 0, tail = 0;
      if (after.size() <= WHOLE_CONTENT) shorter = 0;
      while (head < shorter && (*old)[head] == after[head]) ++head;
      while (tail < shorter - head && (*old)[old->size() - tail - 1] == after[after.size() - tail - 1]) {
        ++tail;
      }
      condition.head = head;
      condition.tail = tail;
      condition.size = old->size();
      middle = after.slice(head, after.size() - tail);
    }
    if (middle.size() <= INLINE_CONTENT) {
      co_return co_await place(path, temporary, kj::str("inline"), kj::encodeBase64(middle),
                               condition);
    }
    auto changed = co_await place(path, temporary, kj::str("check"), kj::String(), condition);
    if (changed != nullptr) co_return kj::mv(changed);
    auto beside = kj::str(parentOf(path), "/", temporary);
    Cleanup cleanup(access, kj::heapString(beside));
    co_await upload(path, beside, after, cleanup);
    changed = co_await place(path, temporary, kj::str("move"), kj::mv(beside), condition);
    cleanup.use = nullptr;
    co_return kj::mv(changed);
  }

  // Bytes at hand, so that it can be done again.
  kj::Promise<void> upload(kj::StringPtr path, kj::StringPtr beside,
                           kj::ArrayPtr<const kj::byte> bytes, Cleanup& cleanup) {
    try {
      co_await withSandbox(access, [&](SandboxUse& use) {
        cleanup.use = use.addRef();
        return use.plane().writeFile(kj::heapString(beside), kj::heapArray<kj::byte>(bytes));
      });
    } catch (kj::Exception& e) {
      throwUnwritten(path, e);
    }
  }

  kj::Promise<void> write(kj::String path, kj::Own<kj::AsyncInputStream> content, uint64_t size) {
    auto temporary = temporaryName();
    if (size <= BUFFERED_CONTENT) {
      auto bytes = kj::heapArray<kj::byte>(size);
      size_t got = co_await content->tryRead(bytes.begin(), size, size);
      if (got < size)
        throwError(ErrorKind::INVALID_ARGUMENT,
                   "the content of the file ended early; nothing was written.");
      content = nullptr;
      if (size <= INLINE_CONTENT) {
        co_await place(path, temporary, kj::str("inline"), kj::encodeBase64(bytes));
        co_return;
      }
      co_await place(path, temporary, kj::str("check"), kj::String());
      auto beside = kj::str(parentOf(path), "/", temporary);
      Cleanup cleanup(access, kj::heapString(beside));
      co_await upload(path, beside, bytes, cleanup);
      co_await place(path, temporary, kj::str("move"), kj::mv(beside));
      cleanup.use = nullptr;
      co_return;
    }

    co_await place(path, temporary, kj::str("check"), kj::String());
    auto beside = kj::str(parentOf(path), "/", temporary);
    Cleanup cleanup(access, kj::heapString(beside));
    auto use = co_await access.acquire();
    cleanup.use = use->addRef();
    kj::Maybe<kj::Exception> failure;
    try {
      co_await use->plane().writeFile(kj::heapString(beside), kj::mv(content), size);
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      co_await access.recover(use->addRef(), kj::cp(*e));
      throwUnwritten(path, *e);
    }
    co_await place(path, temporary, kj::str("move"), kj::mv(beside));
    cleanup.use = nullptr;
  }

  // An upload that failed; nothing has been done to the file itself.
  [[noreturn]] static void throwUnwritten(kj::StringPtr path, const kj::Exception& e) {
    auto kind = kindOf(e);
    if (kind == ErrorKind::SANDBOX_LOST) kj::throwFatalException(kj::cp(e));
    if (kind == ErrorKind::INTERRUPTED) kind = ErrorKind::UNAVAILABLE;
    // The daemon names the temporary file, which is none of the caller's.
    auto reason = textOf(e);
    if (strstr(reason.cStr(), NO_SPACE.cStr()) != nullptr) reason = kj::heapString(NO_SPACE);
    throwError(kind, kj::str("could not write ", path, "; its old content, if any, is unchanged: ", reason));
  }

  // A trailing slash stays.
  static kj::String resolveTarget(kj::StringPtr path) {
    auto resolved = resolvePath(ROOT, path);
    return path.endsWith("/") && resolved != "/" ? kj::str(resolved, "/") : kj::mv(resolved);
  }

  static kj::String parentOf(kj::StringPtr path) {
    size_t slash = KJ_ASSERT_NONNULL(path.findLast('/'));
    return kj::heapString(path.slice(0, slash));
  }

  // Returns what is there if that is not what `condition` says.
  kj::Promise<kj::Maybe<FileState>> place(kj::StringPtr path, kj::StringPtr temporary, kj::String how,
                                          kj::String content,
                                          kj::Maybe<const Condition&> condition = nullptr) {
    kj::Vector<kj::String> args;
    args.add(kj::heapString(path));
    args.add(kj::heapString(temporary));
    args.add(kj::mv(how));
    args.add(kj::mv(content));
    auto script = kj::str(WRITE_SCRIPT);
    auto boundary = kj::String();
    size_t limit = 64u << 10;
    KJ_IF_MAYBE (c, condition) {
      KJ_IF_MAYBE (hash, c->hash) {
        args.add(kj::heapString(*hash));
      } else {
        args.add(kj::str("absent"));
      }
      args.add(c->head > 0 ? kj::str(c->head) : kj::String());
      args.add(c->tail > 0 ? kj::str(c->size - c->tail + 1) : kj::String());
      boundary = randomToken();
      args.add(kj::str(boundary));
      args.add(kj::str(LOOK_INLINE_BYTES));
      args.add(kj::heapString(ROOT));
      script = kj::str("look() {", lookScript(), "}\n", WRITE_SCRIPT);
      limit += LOOK_INLINE_BYTES;
    }
    auto captured = co_await script_(kj::mv(script), args.releaseAsArray(), limit, false);
    if (captured.status.success()) co_return kj::Maybe<FileState>(nullptr);
    if (captured.status.value == 26 && condition != nullptr) {
      co_return kj::Maybe<FileState>(kj::mv(parseLook(captured.output, boundary, 1)[0]));
    }
    auto output = captured.errorOutput.asChars();
    while (output.size() > 0 && output.back() == '\n') output = output.slice(0, output.size() - 1);
    auto said = toValidUtf8(output);
    switch (captured.status.value) {
      case 21:
        throwError(ErrorKind::INVALID_ARGUMENT, kj::str(path, " is a directory, not a file."));
      case 22:
        throwError(ErrorKind::INVALID_ARGUMENT,
                   kj::str(path, " is not a regular file; it was not written."));
      case 23:
        throwError(ErrorKind::DENIED, kj::str("no permission to write ", path, "."));
      case 24:
        throwError(ErrorKind::INVALID_ARGUMENT,
                   kj::str(path, " is a symbolic link that leads nowhere."));
      default:
        throwError(ErrorKind::FAILED, kj::str("could not write ", path,
                                              "; its old content, if any, is unchanged: ", said));
    }
  }
};

}  // namespace

kj::String resolvePath(kj::StringPtr root, kj::StringPtr path) {
  if (path.findFirst('\0') != nullptr)
    throwError(ErrorKind::INVALID_ARGUMENT, "the path holds a NUL byte.");
  if (!isValidUtf8(path)) throwError(ErrorKind::INVALID_ARGUMENT, "the path is not valid UTF-8.");
  auto whole = path.startsWith("/") ? kj::heapString(path) : kj::str(root, "/", path);
  if (whole.size() > MAX_PATH)
    throwError(ErrorKind::INVALID_ARGUMENT, "the path is longer than 4096 bytes.");

  kj::Vector<kj::ArrayPtr<const char>> parts;
  for (size_t begin = 0; begin < whole.size();) {
    size_t end = begin;
    while (end < whole.size() && whole[end] != '/') ++end;
    auto part = whole.asArray().slice(begin, end);
    begin = end + 1;
    if (part.size() == 0 || part == kj::StringPtr(".").asArray()) continue;
    if (part == kj::StringPtr("..").asArray()) {
      if (parts.size() > 0) parts.removeLast();
    } else {
      parts.add(part);
    }
  }
  if (parts.size() == 0) return kj::str("/");
  kj::Vector<char> result(whole.size() + 1);
  for (auto part : parts) {
    result.add('/');
    result.addAll(part);
  }
  return kj::heapString(result.asPtr());
}

kj::Own<Workspace> newSandboxWorkspace(SandboxAccess& access, Engine engine) {
  return kj::heap<SandboxWorkspace>(access, engine);
}

}  // namespace sandbridge
