#pragma once
// The file calls of the daemon: plain POSIX inside the box, with TensorLake's error codes.

#include <kj/async-io.h>
#include <stdint.h>

#include <kj/common.h>
#include <kj/io.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud::daemon {

// An answer that is not a success: becomes {"error": text, "code": code}.
struct ApiError {
  unsigned status;
  kj::String text;
  kj::StringPtr code;  // a literal; empty: none
};

struct OpenFile {
  kj::AutoCloseFd fd;
  // Absent for files of unknown size (/proc).
  kj::Maybe<uint64_t> size;
};

struct FolderEntry {
  kj::String name;
  bool isFolder;
  uint64_t size;
  int64_t modifiedAt;
};

// These throw ApiError, except where they say otherwise.
OpenFile openForRead(kj::StringPtr path);
kj::Promise<void> sendFile(kj::AutoCloseFd fd, uint64_t size, kj::Own<kj::AsyncOutputStream> to);
kj::Array<kj::byte> readUnsized(int fd);

// The body is taken whole before the file is touched: a client that hangs up changes nothing. Resolves to the error, if any
// (only kj::Exceptions travel through promises).
kj::Promise<kj::Maybe<ApiError>> writeWholeFile(kj::String path, kj::AsyncInputStream& body, uint64_t size);
void removeFile(kj::StringPtr path);
kj::Vector<FolderEntry> listFolder(kj::StringPtr path);

}  // namespace sandbridge::localcloud::daemon
