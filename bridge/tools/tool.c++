#include "tools/tool.h"

#include "base/coroutine.h"
#include "tools/look.h"

namespace sandbridge {

ToolResult failedResult(kj::String text) {
  ToolResult result;
  result.failed = true;
  result.output = validUtf8(text.asBytes());
  return result;
}

kj::Promise<Workspace::Captured> look(ToolContext& context, kj::StringPtr script,
                                      kj::Array<kj::String> args, size_t limit) {
  auto late = context.timer.afterDelay(SCRIPT_SECONDS * kj::SECONDS)
                  .then([]() -> kj::Promise<Workspace::Captured> {
                    return makeError(ErrorKind::FAILED,
                                     kj::str("The sandbox's file system did not answer within ",
                                             SCRIPT_SECONDS, " seconds."));
                  });
  return context.workspace.runScript(script, kj::mv(args), limit).exclusiveJoin(kj::mv(late));
}

kj::String fileSystemError(kj::StringPtr tag, kj::StringPtr method, std::string_view path) {
  return kj::str(tag, ": FileSystem.", method, " (",
                 validUtf8(kj::arrayPtr(path.data(), path.size()).asBytes()), ")");
}

bool isInfrastructure(const kj::Exception& e) {
  auto kind = kindOf(e);
  return kind == ErrorKind::UNAVAILABLE || kind == ErrorKind::INTERRUPTED ||
         kind == ErrorKind::SANDBOX_LOST;
}

kj::String writeError(const kj::Exception& e, std::string_view path) {
  if (isInfrastructure(e)) kj::throwFatalException(kj::cp(e));
  switch (kindOf(e)) {
    case ErrorKind::NOT_FOUND:
      return fileSystemError("NotFound", "writeFile", path);
    case ErrorKind::INVALID_ARGUMENT:
      return fileSystemError("BadResource", "writeFile", path);
    case ErrorKind::DENIED:
      return fileSystemError("PermissionDenied", "writeFile", path);
    default:
      break;
  }
  auto text = textOf(e);
  switch (statErrorOf(view(text))) {
    case StatError::NOT_A_DIRECTORY:
    case StatError::LOOP:
      return fileSystemError("BadResource", "writeFile", path);
    case StatError::NAME_TOO_LONG:
      return fileSystemError("Unknown", "writeFile", path);
    default:
      return kj::str(fileSystemError("Unknown", "writeFile", path), ": ", text);
  }
}

}  // namespace sandbridge
