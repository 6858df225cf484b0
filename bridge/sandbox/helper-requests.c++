#include "sandbox/helper-requests.h"

#include "base/ids.h"
#include "sandbox/command-arguments.h"

#include <kj/debug.h>
#include <kj/encoding.h>

extern "C" const kj::byte sandbridge_helper_image_begin[], sandbridge_helper_image_end[];

namespace sandbridge {

namespace {

using tensorlake::ProcessRequest;

// Not in the workspace, which is the user's. In a directory of its own, so that nobody else can put
// something in its place.
constexpr kj::StringPtr BASE = "/tmp/.sandbridge"_kj;
constexpr kj::StringPtr NAME = "/helper"_kj;

// How long a keeper that is just being started is waited for.
constexpr unsigned AWAIT_MS = 5000;

// One environment variable can be as long as one argument: 128 KiB.
constexpr size_t MAX_IMAGE = 95u << 10;
static_assert(MAX_IMAGE / 3 * 4 + 16 < 128u << 10);

// $1 base directory  $2 the helper's directory  $3 the helper; HELPER is its content in base64
constexpr kj::StringPtr INSTALL_SCRIPT = R"sh(
umask 022
for directory in "$1" "$2"; do
  [ -d "$directory" ] || mkdir "$directory" 2>/dev/null || [ -d "$directory" ] || mkdir "$directory" || exit 1
done
new=$3.$$
[ ! -d "$3" ] || rm -rf "$3"
printf %s "$HELPER" | base64 -d >"$new" && chmod 755 "$new" && "$new" check && mv -f "$new" "$3" ||
  { rm -f "$new"; exit 1; }
echo ok
)sh"_kj;

kj::ArrayPtr<const kj::byte> image() {
  return kj::arrayPtr(sandbridge_helper_image_begin, sandbridge_helper_image_end);
}

struct Place {
  kj::String directory, file;

  Place()
      : directory(kj::str(BASE, "/helper-", sha256Hex(image()).slice(0, 16))),
        file(kj::str(directory, NAME)) {}
};

const Place& place() {
  static const Place PLACE;
  return PLACE;
}

ProcessRequest request(kj::Array<kj::String> args) {
  ProcessRequest request;
  request.command = kj::heapString(helperPath());
  request.args = kj::mv(args);
  request.workingDir = kj::str("/");
  return request;
}

kj::String positionWord(kj::StringPtr key, OutputPosition position) {
  return kj::str(key, position.line, ":", position.byte);
}

}  // namespace

kj::String newOperationId() { return kj::heapString(randomToken().slice(0, 32)); }

kj::StringPtr helperPath() { return place().file; }

ProcessRequest helperRequest(const WorkspaceCommand& command, kj::StringPtr workdir,
                             kj::StringPtr root, const HelperCall& call) {
  checkCommand(command, workdir);
  kj::Vector<kj::String> args;
  args.add(kj::str("run"));
  if (call.awaitKeeper) args.add(kj::str("await=", AWAIT_MS));
  args.add(kj::str("id=", call.id));
  if (call.again) {
    KJ_IF_MAYBE (keeper, call.keeper) {
      args.add(kj::str("only=", *keeper));
    } else {
      args.add(kj::str("join"));
    }
  }
  args.add(kj::str("dir=", workdir));
  if (workdir == root) args.add(kj::str("make"));
  if (command.mergeStderr) args.add(kj::str("merge"));
  if (command.keepStdin) args.add(kj::str("stdin"));
  if (command.inShell) args.add(kj::str("shell"));
  KJ_IF_MAYBE (copy, command.copy) {
    args.add(kj::str("copy=", copy->path));
    args.add(kj::str("copy-lines=", copy->lines));
    args.add(kj::str("copy-bytes=", copy->bytes));
    args.add(kj::str("copy-limit=", copy->limit));
    args.add(kj::str("copy-notice=", copy->notice));
  }
  for (auto& variable : command.environment) {
    args.add(kj::str("env=", variable.name, "=", variable.value));
  }
  args.add(kj::str("--"));
  for (auto& arg : command.argv) args.add(kj::heapString(arg));
  auto result = request(args.releaseAsArray());
  result.pipeStdin = command.keepStdin;
  return result;
}

ProcessRequest helperJoinRequest(kj::StringPtr id, OutputPosition out, OutputPosition err) {
  return request(kj::arr(kj::str("run"), kj::str("id=", id), kj::str("join"),
                         positionWord("out=", out), positionWord("err=", err), kj::str("dir=/"),
                         kj::str("--"), kj::str("-")));
}

ProcessRequest helperSignalRequest(uint32_t group, int number) {
  checkSignal(number);
  return request(kj::arr(kj::str("signal"), kj::str(group), kj::str(number)));
}

ProcessRequest helperEndRequest(uint32_t group) {
  return request(kj::arr(kj::str("end"), kj::str(group)));
}

ProcessRequest helperPortsRequest(uint64_t forMs) {
  return request(kj::arr(kj::str("ports"), kj::str(forMs)));
}

ProcessRequest helperInstallRequest() {
  KJ_ASSERT(image().size() <= MAX_IMAGE);
  ProcessRequest result;
  result.command = kj::str("sh");
  result.args = kj::arr(kj::str("-c"), kj::heapString(INSTALL_SCRIPT), kj::str("sh"),
                        kj::heapString(BASE), kj::heapString(place().directory),
                        kj::heapString(place().file));
  // Not as an argument: those are shown in lists of processes.
  result.environmentNames = kj::arr(kj::str("HELPER"));
  result.environmentValues = kj::arr(kj::encodeBase64(image()));
  result.workingDir = kj::str("/");
  return result;
}

ProcessRequest helperKeeperRequest() { return request(kj::arr(kj::str("keeper"))); }

}  // namespace sandbridge
