#pragma once
// The requests that have the helper (helper/main.c++) do something in a sandbox, and the ones that
// bring it there. Hostile text travels as arguments, never as script text.

#include "tensorlake/client.h"
#include "tools/workspace.h"

namespace sandbridge {

// 32 lower-case hexadecimal digits, random: under it a command is started once.
kj::String newOperationId();

// Where the helper lies in a sandbox; its version is part of the path.
kj::StringPtr helperPath();

// How far a command's output has been received: `line` and `byte` come next.
struct OutputPosition {
  uint64_t line = 0, byte = 0;
};

struct HelperCall {
  kj::StringPtr id;
  bool awaitKeeper = false;  // it is being started just now
  // Of a request that may have been carried out before: what the command has printed is told from
  // its beginning; it is started only if it has not been, by this keeper. No keeper: never.
  bool again = false;
  kj::Maybe<kj::StringPtr> keeper;
};

// Throws INVALID_ARGUMENT for what cannot be an argument list. `workdir` is absolute; when it is
// `root` it is made if need be.
tensorlake::ProcessRequest helperRequest(const WorkspaceCommand& command, kj::StringPtr workdir,
                                         kj::StringPtr root, const HelperCall& call);

// What a command that has been started prints from there on, and its end.
tensorlake::ProcessRequest helperJoinRequest(kj::StringPtr id, OutputPosition out,
                                             OutputPosition err);

tensorlake::ProcessRequest helperSignalRequest(uint32_t group, int number);
tensorlake::ProcessRequest helperEndRequest(uint32_t group);

// Prints for so long, in milliseconds, the ports that something listens on (helper/ports.h). Needs no keeper.
tensorlake::ProcessRequest helperPortsRequest(uint64_t forMs);

// Puts the helper in its place, whatever lay there before. Safe to repeat and to race. Prints `ok`,
// or says on standard error what hinders it.
tensorlake::ProcessRequest helperInstallRequest();
// For start(), not run(): TensorLake ends what a run has left behind. A second keeper ends at once.
tensorlake::ProcessRequest helperKeeperRequest();

}  // namespace sandbridge
