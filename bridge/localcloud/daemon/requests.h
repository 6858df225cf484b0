#pragma once
// What clients send: URLs and JSON bodies, taken apart and checked.

#include <kj/string.h>
#include <kj/timer.h>
#include <kj/vector.h>

#include "files.h"
#include "spawn.h"
#include "supervisor.h"
#include "terminals.h"

namespace sandbridge::localcloud::daemon {

struct Url {
  kj::Vector<kj::String> parts;  // of the path, decoded
  struct Parameter {
    kj::String name, value;
  };
  kj::Vector<Parameter> parameters;  // of the query, decoded

  static Url parse(kj::StringPtr url);
  // The last of that name.
  kj::Maybe<kj::StringPtr> parameter(kj::StringPtr name) const;
  kj::StringPtr path() const;  // the query's `path`, or an ApiError
};

struct StartRequest {
  Command command;
  kj::Maybe<kj::String> name;
  kj::Maybe<kj::Duration> timeout;
  kj::Maybe<ManagedRequest> managed;  // asked for by a name, a restart policy or a health check

  // Throws ApiError: 400 for what is not JSON, 422 for JSON of the wrong shape.
  static StartRequest parse(kj::ArrayPtr<const char> json, kj::StringPtr defaultFolder);
};

int parseSignal(kj::ArrayPtr<const char> json);

struct TerminalRequest {
  Command command;
  TerminalSize size;

  // Throws ApiError as above.
  static TerminalRequest parse(kj::ArrayPtr<const char> json, kj::StringPtr defaultFolder);
};

TerminalSize parseTerminalSize(kj::ArrayPtr<const char> json);

}  // namespace sandbridge::localcloud::daemon
