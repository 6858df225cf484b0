#pragma once
// Starting a command: a session and process group of its own, and nothing of the keeper's.

#include <sys/types.h>

#include "sandbox/helper/request.h"

namespace sandbridge::helper {

enum class Workdir { GOOD, MISSING, NOT_A_DIRECTORY, DENIED };

// Goes to `request.dir`, where launch() starts the command. Come back with chdir("/").
Workdir enter(const Request& request);

// mkdir -p. False when it cannot be made.
bool makeDirectories(const char* path, mode_t mode);

// Standard input, output and error of the command are `in`, `out` and `err`. `variables` are NAME=VALUE
// and come over the keeper's own environment. A program that cannot be started is told on `err`,
// with exit code 127 or 126 as from a shell. Returns -1 when there can be no more processes.
pid_t launch(const Request& request, char** variables, int in, int out, int err);

}  // namespace sandbridge::helper
