#include "tools/look.h"

#include "base/coroutine.h"
#include "base/ids.h"

namespace sandbridge {

namespace {

// Paths a script: together with the rest they must fit into its arguments.
constexpr size_t BATCH_BYTES = 64u << 10;

}  // namespace

kj::Promise<std::vector<FileState>> lookAt(ToolContext& context, std::vector<std::string> paths,
                                           uint64_t inlineBytes) {
  std::vector<FileState> states;
  for (size_t next = 0; next < paths.size();) {
    auto boundary = randomToken();
    kj::Vector<kj::String> args;
    args.add(kj::str(inlineBytes));
    args.add(kj::str(boundary));
    args.add(toKj(context.root));
    size_t bytes = 0, first = next;
    while (next < paths.size() && (next == first || bytes + paths[next].size() <= BATCH_BYTES)) {
      bytes += paths[next].size() + 1;
      args.add(toKj(paths[next++]));
    }
    auto captured = co_await look(context, lookScript(), args.releaseAsArray(), 64u << 20);
    for (auto& state : parseLook(captured.output, boundary, next - first)) {
      states.push_back(kj::mv(state));
    }
  }
  co_return std::move(states);
}

kj::Promise<kj::Maybe<kj::Array<kj::byte>>> readAtMost(kj::AsyncInputStream& input,
                                                       uint64_t limit) {
  kj::Vector<kj::byte> bytes;
  auto buffer = kj::heapArray<kj::byte>(65536);
  for (;;) {
    size_t n = co_await input.tryRead(buffer.begin(), 1, buffer.size());
    if (n == 0) break;
    if (bytes.size() + n > limit) co_return nullptr;
    bytes.addAll(buffer.slice(0, n));
  }
  co_return bytes.releaseAsArray();
}

kj::Promise<kj::Array<const kj::byte>> contentOf(ToolContext& context, std::string path,
                                                 FileState state, uint64_t limit,
                                                 kj::StringPtr verb) {
  if (state.isDirectory()) {
    throwError(ErrorKind::FAILED, fileSystemError("BadResource", "readFile", path));
  }
  if (!state.readable) {
    throwError(ErrorKind::FAILED, fileSystemError("PermissionDenied", "readFile", path));
  }
  if (!state.isRegular()) {
    throwError(ErrorKind::FAILED, kj::str("Cannot ", verb, " ", validUtf8(chars(path).asBytes()),
                                          ": it is ", typeName(state.mode)));
  }
  KJ_IF_MAYBE (content, state.content) {
    co_return kj::mv(*content);
  }
  if (state.size <= limit) {
    auto stream = co_await context.workspace.readFile(toKj(path));
    auto content = co_await readAtMost(*stream, limit);
    KJ_IF_MAYBE (bytes, content) {
      co_return kj::mv(*bytes);
    }
  }
  throwError(ErrorKind::FAILED,
             kj::str("File is too large to ", verb, ": ", validUtf8(chars(path).asBytes()), " has ",
                     state.size, " bytes, at most ", limit,
                     " are possible. Use bash with a program made for large files."));
}

}  // namespace sandbridge
