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

// Takes a file's new content; the file is replaced by `done`.
class UploadSink final : public api::ByteSink::Server {
 public:
  UploadSink(kj::Own<SharedSession> session, kj::Own<Quota::Ticket> ticket, kj::String path)
      : shared(kj::mv(session)), ticket(kj::mv(ticket)), path(kj::mv(path)) {}

  kj::Promise<void> write(WriteContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto bytes = context.getParams().getBytes();
      if (bytes.size() > MAX_CHUNK) {
        throwError(ErrorKind::INVALID_ARGUMENT, "one write holds more than 1 MiB");
      }
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

class FilesCapability final : public api::Files::Server {
 public:
  FilesCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits)
      : shared(kj::mv(session)), limits(kj::mv(limits)) {}

  kj::Promise<void> read(ReadContext context) override {
    return answer(context, [&]() { return readInto(context); });
  }

  kj::Promise<void> write(WriteContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto path = checkedPath(context.getParams().getPath());
      context.getResults(capnp::MessageSize{4, 1})
          .setSink(kj::heap<UploadSink>(kj::addRef(*shared), limits->uploads->take(), kj::mv(path)));
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
