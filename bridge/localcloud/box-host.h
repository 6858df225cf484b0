#pragma once
// What this machine offers to boxes: ids, cgroups, a network helper, and the read-only layers that all boxes share.

#include <kj/common.h>
#include <kj/string.h>
#include <kj/vector.h>

#include "box.h"
#include "launch-spec.h"

namespace sandbridge::localcloud {

struct BoxHost {
  bool range = false;  // root mode: an own range of ids for the boxes
  uid_t uidBase = 0, uidCount = 1;
  bool network = false;  // slirp4netns can be used
  kj::String noNetworkReason;

  struct Controller {
    kj::String name;    // "memory", "cpu", "pids", "freezer"; empty for cgroup v2
    kj::String folder;  // our own group; the boxes' are made below it
  };
  kj::Vector<Controller> controllers;
  bool hasV2 = false;
  kj::String bootId;
};

// Every group that a server makes is called so.
constexpr kj::StringPtr GROUP_PREFIX = "sandbridge-"_kj;

// Throws FAILED, saying what is missing, when no box could be isolated here.
BoxHost inspectHost();

// Processes and threads a box may have. The kernel lets tasks that are inside of it run past the quota of their group and has
// all of the group wait for it afterwards, the daemon too: 2048 processes that fork on one CPU kept it from answering for
// 12 s, 500 for one.
constexpr uint PROCESSES_PER_CPU = 512;
uint processLimit(const BoxSpec& spec);

// The groups for one box, with its limits.
kj::Vector<Cgroup> cgroupsFor(const BoxHost& host, const BoxSpec& spec, kj::StringPtr instance);

// Names of folders below `dir` (which only we may enter): the lowest layer of every box's root, and whiteouts over the host's
// files that not everybody on the host may read. Made when missing; a running box keeps the ones that it started with.
kj::String makeSkeleton(const BoxHost& host, kj::StringPtr dir);
kj::String makeMasks(const BoxHost& host, kj::StringPtr dir);

}  // namespace sandbridge::localcloud
