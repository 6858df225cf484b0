#include "rpc/capability-support.h"
#include "rpc/directory-listing.h"
#include "rpc/spool.h"

namespace sandbridge {
namespace {

// Small enough to keep the connection fair between calls, big enough to make the calls few.
constexpr size_t READ_CHUNK = 256u << 10;
constexpr uint64_t MAX_UPLOAD = 1ull << 30;
constexpr size_t MAX_PATH_LENGTH = 4096;  // Linux' own limit

kj::String checkedPath(kj::StringPtr path) {
  if (path.size() == 0) throwError(ErrorKind::INVALID_ARGUMENT, "the path is empty");
  if (path.size() >= MAX_PATH_LENGTH) {
    throwError(ErrorKind::INVALID_ARGUMENT, "the path is longer than 4095 bytes");
  }
  if (path.findFirst('\0') != nullptr) {
    throwError(ErrorKind::INVALID_ARGUMENT, "the path holds a NUL byte");
  }
  return kj::str(path);
}

void checkChunk(kj::ArrayPtr<const kj::byte> bytes) {
  if (bytes.size() > MAX_CHUNK) {
    throwError(ErrorKind::INVALID_ARGUMENT, "one write holds more than 1 MiB");
  }
}

// Takes a file's new content of unknown size; the file is replaced by `done`.
class SpooledSink final : public api::ByteSink::Server {
 public:
  SpooledSink(kj::Own<SharedSession> session, kj::Own<Quota::Ticket> ticket, kj::String path)
      : shared(kj::mv(session)), ticket(kj::mv(ticket)), path(kj::mv(path)) {}

  kj::Promise<void> write(WriteContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto bytes = context.getParams().getBytes();
      checkChunk(bytes);
      checkOpen();
      spool.write(bytes);
      return kj::READY_NOW;
    });
  }

  kj::Promise<void> done(DoneContext context) override {
    return answer(context, [&]() {
      checkOpen();
      closed = true;
      auto size = spool.size();
      shared->toolbox->forgetFiles();
      return shared->workspace().writeFile(path, spool.read(), size);
    });
  }

 private:
  kj::Own<SharedSession> shared;
  kj::Own<Quota::Ticket> ticket;
  kj::String path;
  Spool spool{MAX_UPLOAD};
  bool closed = false;

  void checkOpen() {
    if (closed) throwError(ErrorKind::INVALID_ARGUMENT, "`done` was called on this sink already");
  }
};

// The same for content whose size is known: it goes on to the sandbox as it comes, save its last piece, which waits for
// `done`.
class StreamedSink final : public api::ByteSink::Server {
 public:
  StreamedSink(kj::Own<SharedSession> session, kj::Own<Quota::Ticket> ticket, kj::String path, uint64_t size)
      : shared(kj::mv(session)), ticket(kj::mv(ticket)), path(kj::mv(path)), size(size), left(size) {}

  kj::Promise<void> write(WriteContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto bytes = context.getParams().getBytes();
      checkChunk(bytes);
      checkOpen();
      if (bytes.size() > left) wrongSize("more came");
      left -= bytes.size();
      if (left == 0) {
        if (bytes.size() > 0) last = kj::heapArray<kj::byte>(bytes);
        return kj::READY_NOW;
      }
      return pass(bytes);
    });
  }

  kj::Promise<void> done(DoneContext context) override {
    return answer(context, [&]() {
      checkOpen();
      if (left > 0) wrongSize(kj::str(size - left, " came"));
      closed = true;
      return pass(last).then([this]() {
        out = nullptr;  // bytes of a write that was cancelled will not come
        return kj::mv(writing);
      });
    });
  }

 private:
  kj::Own<SharedSession> shared;
  kj::Own<Quota::Ticket> ticket;
  kj::String path;
  uint64_t size, left;
  kj::Array<kj::byte> last;
  bool closed = false;
  kj::Maybe<kj::Exception> failure;
  kj::Own<kj::AsyncOutputStream> out;
  kj::Promise<void> writing = nullptr;

  kj::Promise<void> pass(kj::ArrayPtr<const kj::byte> bytes) {
    if (out.get() == nullptr) {
      auto pipe = kj::newOneWayPipe(size);
      out = kj::mv(pipe.out);
      shared->toolbox->forgetFiles();
      writing = shared->workspace().writeFile(path, kj::mv(pipe.in), size).eagerlyEvaluate(nullptr);
    }
    if (bytes.size() == 0) return kj::READY_NOW;
    return out->write(bytes.begin(), bytes.size()).catch_([this](kj::Exception&&) {
      // The sandbox takes no more, and says why.
      return kj::mv(writing).catch_([this](kj::Exception&& e) -> kj::Promise<void> {
        failure = kj::cp(e);
        return kj::mv(e);
      });
    });
  }

  void checkOpen() {
    KJ_IF_MAYBE(e, failure) { kj::throwFatalException(kj::cp(*e)); }
    if (closed) throwError(ErrorKind::INVALID_ARGUMENT, "`done` was called on this sink already");
  }
  [[noreturn]] void wrongSize(kj::StringPtr what) {
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str(size, " bytes were announced, and ", what));
  }
};

class FilesCapability final : public api::Files::Server {
 public:
  FilesCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits)
      : shared(kj::mv(session)), limits(kj::mv(limits)) {}

  kj::Promise<void> read(ReadContext context) override {
    return answer(context, [&]() { return readInto(context); });
  }

  kj::Promise<void> write(WriteContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto params = context.getParams();
      auto path = checkedPath(params.getPath());
      auto ticket = limits->uploads->take();
      auto results = context.getResults(capnp::MessageSize{4, 1});
      if (params.getSize() < 0) {
        results.setSink(kj::heap<SpooledSink>(kj::addRef(*shared), kj::mv(ticket), kj::mv(path)));
      } else {
        results.setSink(kj::heap<StreamedSink>(kj::addRef(*shared), kj::mv(ticket), kj::mv(path),
                                               static_cast<uint64_t>(params.getSize())));
      }
      return kj::READY_NOW;
    });
  }

  kj::Promise<void> list(ListContext context) override {
    return answer(context, [&]() {
      kj::StringPtr path = context.getParams().getPath();
      return listDirectory(shared->workspace(), absolute(path.size() == 0 ? "."_kj : path))
          .then([context](kj::Array<DirectoryEntry>&& entries) mutable {
        auto out = context.getResults().initEntries(entries.size());
        for (auto i : kj::indices(entries)) {
          out[i].setName(entries[i].name);
          out[i].setIsDirectory(entries[i].isDirectory);
          out[i].setSize(entries[i].size);
          out[i].setModifiedAt(entries[i].modifiedAt);
        }
      });
    });
  }

  kj::Promise<void> remove(RemoveContext context) override {
    return answer(context, [&]() {
      shared->toolbox->forgetFiles();
      return removeFile(shared->workspace(), absolute(context.getParams().getPath()));
    });
  }

 private:
  kj::Own<SharedSession> shared;
  kj::Own<ConnectionLimits> limits;

  // A leading dash or a lone one means nothing to the shell's commands then.
  kj::String absolute(kj::StringPtr path) {
    auto checked = checkedPath(path);
    return checked.startsWith("/") ? kj::mv(checked)
                                   : kj::str(shared->workspace().root(), "/", checked);
  }

  kj::Promise<void> readInto(ReadContext context) {
    auto params = context.getParams();
    auto path = checkedPath(params.getPath());
    if (!params.hasSink()) throwError(ErrorKind::INVALID_ARGUMENT, "read needs a sink");
    auto sink = params.getSink();
    context.releaseParams();
    auto stream = co_await shared->workspace().readFile(path);
    uint64_t size = 0;
    for (;;) {
      auto room = kj::min(READ_CHUNK, stream->tryGetLength().orDefault(READ_CHUNK));
      if (room == 0) {
        // What says that the sandbox has ended its answer as it should.
        kj::byte none;
        co_await stream->tryRead(&none, 1, 1);
        break;
      }
      // Read into the message that carries it, so that it is not copied there.
      auto request = sink.writeRequest(capnp::MessageSize{room / sizeof(capnp::word) + 8, 0});
      auto bytes = request.initBytes(room);
      auto n = co_await stream->tryRead(bytes.begin(), room, room);
      if (n > 0) {
        if (n < room) {
          auto orphan = request.disownBytes();
          orphan.truncate(n);
          request.adoptBytes(kj::mv(orphan));
        }
        co_await request.send();
        size += n;
      }
      if (n < room) break;
    }
    co_await sink.doneRequest().send().ignoreResult();
    context.getResults(capnp::MessageSize{4, 0}).setSize(size);
  }
};

}  // namespace

api::Files::Client newFilesCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits) {
  return kj::heap<FilesCapability>(kj::mv(session), kj::mv(limits));
}

}  // namespace sandbridge
