#pragma once
// What the server tells the launcher, and what the launcher answers. The launcher runs as its own short-lived process
// (the embedded executable, see daemon-image.h), so that the mounts and forks happen in a single-threaded program and
// never in the server.

#include <kj/array.h>
#include <kj/common.h>
#include <kj/string.h>
#include <kj/vector.h>

#include <sys/types.h>

#include "network-spec.h"

namespace sandbridge::localcloud {

// Container root and 65535 more ids, in root mode. Above what useradd (subuid, from 100000), systemd-nspawn and container
// engines hand out, so that no user of the machine owns these ids too.
constexpr uid_t UID_BASE = 0x70000000;
constexpr uid_t UID_COUNT = 65536;

// Descriptors of the daemon after exec.
constexpr int FD_HTTP = 3;     // bound unix socket: HTTP
constexpr int FD_CONTROL = 4;  // bound unix socket: control.h
constexpr int FD_LOCK = 5;     // holds the box's flock while the daemon lives
constexpr int FD_STATUS = 6;   // "ready" goes here, or the launcher's failure text
constexpr int FD_LOG = 7;     // the two files of process-log.h
constexpr int FD_LOG_2 = 8;
constexpr int FD_MEMORY = 9;   // see daemon/memory-kills.h; an empty file where there is no such count
constexpr int FD_NETWORK = 10;  // slirp4netns ends when this closes, however late it was started

// A limit: a file under a cgroup folder and what is written to it.
struct CgroupLimit {
  kj::String file;
  kj::String value;
};

struct Cgroup {
  kj::String folder;  // absolute; made by the launcher
  bool v2 = false;
  kj::Vector<CgroupLimit> limits;  // best effort
};

struct LaunchSpec {
  kj::String dir;       // the box's folder, absolute
  kj::String id;        // also the host name
  kj::String instance;  // random; the daemon repeats it
  kj::String skeleton;  // relative to `dir`: the lowest layer of "/"
  kj::String masks;     // relative to `dir`: whiteouts over host files that not everybody may read
  kj::Vector<kj::String> layers;  // relative to `dir`: the files of snapshots that it stands on, top first
  bool range = false;   // root mode: container ids are mapped to uidBase + n
  uid_t uidBase = UID_BASE;
  uid_t uidCount = UID_COUNT;
  kj::String log;       // absolute: what the names of the two log files begin with; empty: none is kept
  NetworkSpec network;
  kj::Vector<Cgroup> cgroups;
  uint processes = 512;  // RLIMIT_NPROC, counted inside

  kj::Array<kj::String> toArguments() const;
  static LaunchSpec fromArguments(kj::ArrayPtr<char*> arguments);
};

// Folders of the host that a box sees, each through an overlay (copy on write), with the name of its layer.
struct Piece {
  kj::StringPtr layer;
  kj::StringPtr path;
};
kj::ArrayPtr<const Piece> hostPieces();

// Entry of the embedded executable's "launch". `resultFd` gets one packet: "ok <json>" with the container's pidfd, or
// "error <step and reason>".
int launchMain(int resultFd, LaunchSpec spec);

// Entry of "sweep": removes everything inside `folder` (not the folder), however its modes are set.
int sweepMain(const char* folder);

}  // namespace sandbridge::localcloud
