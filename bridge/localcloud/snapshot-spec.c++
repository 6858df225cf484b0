#include "snapshot-spec.h"

#include <stdlib.h>
#include <string.h>

namespace sandbridge::localcloud {

kj::Array<kj::String> SnapshotSpec::toArguments() const {
  kj::Vector<kj::String> result;
  auto add = [&](kj::StringPtr key, kj::StringPtr value) { result.add(kj::str(key, '=', value)); };
  add("id", id);
  add("box", box);
  add("making", making);
  add("snapshots", snapshots);
  add("pid-namespace", kj::str(pidNamespace));
  add("range", range ? "1" : "0");
  return result.releaseAsArray();
}

SnapshotSpec SnapshotSpec::fromArguments(kj::ArrayPtr<char*> arguments) {
  SnapshotSpec spec;
  for (char* argument : arguments) {
    char* equals = strchr(argument, '=');
    if (equals == nullptr) continue;
    kj::String key = kj::heapString(argument, equals - argument);
    kj::StringPtr value = equals + 1;
    if (key == "id") spec.id = kj::str(value);
    if (key == "box") spec.box = kj::str(value);
    if (key == "making") spec.making = kj::str(value);
    if (key == "snapshots") spec.snapshots = kj::str(value);
    if (key == "pid-namespace") spec.pidNamespace = strtoull(value.cStr(), nullptr, 10);
    if (key == "range") spec.range = value == "1";
  }
  return spec;
}

}  // namespace sandbridge::localcloud
