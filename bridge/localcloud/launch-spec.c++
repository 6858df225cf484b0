#include "launch-spec.h"

#include <stdlib.h>
#include <string.h>

namespace sandbridge::localcloud {

namespace {

constexpr Piece PIECES[] = {
    {"usr"_kj, "usr"_kj},
    {"etc"_kj, "etc"_kj},
    {"opt"_kj, "opt"_kj},
    // Only where these are folders: on a merged /usr they are links of the skeleton.
    {"bin"_kj, "bin"_kj},
    {"sbin"_kj, "sbin"_kj},
    {"lib"_kj, "lib"_kj},
    {"lib64"_kj, "lib64"_kj},
    // The package manager's state, so that dpkg and apt know what is installed.
    {"var.lib.dpkg"_kj, "var/lib/dpkg"_kj},
    {"var.lib.apt"_kj, "var/lib/apt"_kj},
    {"var.cache.debconf"_kj, "var/cache/debconf"_kj},
};

}  // namespace

kj::ArrayPtr<const Piece> hostPieces() { return kj::arrayPtr(PIECES, kj::size(PIECES)); }

kj::Array<kj::String> LaunchSpec::toArguments() const {
  kj::Vector<kj::String> result;
  auto add = [&](kj::StringPtr key, kj::StringPtr value) {
    result.add(kj::str(key, '=', value));
  };
  add("dir", dir);
  add("id", id);
  add("instance", instance);
  add("skeleton", skeleton);
  add("masks", masks);
  for (auto& layer : layers) add("layer", layer);
  add("range", range ? "1" : "0");
  add("uid-base", kj::str(uidBase));
  add("uid-count", kj::str(uidCount));
  for (auto& argument : network.toArguments()) result.add(kj::mv(argument));
  add("log", log);
  add("processes", kj::str(processes));
  for (auto& cgroup : cgroups) {
    add(cgroup.v2 ? "cgroup2" : "cgroup", cgroup.folder);
    for (auto& limit : cgroup.limits) add("limit", kj::str(limit.file, ':', limit.value));
  }
  return result.releaseAsArray();
}

LaunchSpec LaunchSpec::fromArguments(kj::ArrayPtr<char*> arguments) {
  LaunchSpec spec;
  spec.network = NetworkSpec::fromArguments(arguments);
  for (char* argument : arguments) {
    char* equals = strchr(argument, '=');
    if (equals == nullptr) continue;
    kj::String key = kj::heapString(argument, equals - argument);
    kj::StringPtr value = equals + 1;
    auto number = [&]() { return static_cast<uint>(strtoul(value.cStr(), nullptr, 10)); };
    if (key == "dir") spec.dir = kj::str(value);
    if (key == "id") spec.id = kj::str(value);
    if (key == "instance") spec.instance = kj::str(value);
    if (key == "skeleton") spec.skeleton = kj::str(value);
    if (key == "masks") spec.masks = kj::str(value);
    if (key == "layer") spec.layers.add(kj::str(value));
    if (key == "range") spec.range = value == "1";
    if (key == "uid-base") spec.uidBase = number();
    if (key == "uid-count") spec.uidCount = number();
    if (key == "log") spec.log = kj::str(value);
    if (key == "processes") spec.processes = number();
    if (key == "cgroup" || key == "cgroup2") {
      Cgroup cgroup;
      cgroup.folder = kj::str(value);
      cgroup.v2 = key == "cgroup2";
      spec.cgroups.add(kj::mv(cgroup));
    }
    if (key == "limit" && spec.cgroups.size() > 0) {
      KJ_IF_MAYBE (colon, value.findFirst(':')) {
        spec.cgroups.back().limits.add(
            CgroupLimit{kj::heapString(value.slice(0, *colon)), kj::str(value.slice(*colon + 1))});
      }
    }
  }
  return spec;
}

}  // namespace sandbridge::localcloud
