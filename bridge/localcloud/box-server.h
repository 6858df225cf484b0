#pragma once
// What the boxes of one server share: its folder, what the machine can do, and the files that are on their way out.

#include "base/error.h"
#include "base/log.h"
#include "localcloud/box-host.h"
#include "localcloud/box-image.h"
#include "localcloud/box-record.h"
#include "localcloud/box-snapshots.h"
#include "localcloud/box.h"
#include "localcloud/trash.h"

#include <kj/async-io.h>
#include <kj/refcount.h>

#include <map>
#include <string>

namespace sandbridge::localcloud {

// Refcounted, so that a box may outlive the Boxes that made it.
struct BoxServer final : public kj::Refcounted, private kj::TaskSet::ErrorHandler {
  BoxServer(kj::AsyncIoContext& io, kj::StringPtr dir)
      : tasks(*this),
        io(io),
        timer(io.lowLevelProvider->getTimer()),
        dir(kj::str(dir)),
        facts(inspectHost()),
        image(makeBoxImage()),
        trash(io, kj::str(dir, "/trash"), image),
        snapshots(io, kj::str(dir, "/snapshots"), facts, image,
                  [this](kj::StringPtr folder) { trash.discard(folder); }) {}

  kj::TaskSet tasks;  // clearing up, which nobody waits for
  kj::AsyncIoContext& io;
  kj::Timer& timer;
  kj::String dir;
  kj::AutoCloseFd serverLock;
  BoxHost facts;
  kj::AutoCloseFd image;
  Trash trash;
  BoxSnapshots snapshots;
  std::map<std::string, kj::Vector<kj::String>> standing;  // boxes on snapshots, and on which
  kj::String skeleton, masks;

  kj::String folderOf(kj::StringPtr id) const { return kj::str(dir, "/boxes/", id); }

  kj::Maybe<kj::String> whyNotEnforced(const NetworkPolicy& policy) const {
    if (!policy.internet || facts.network) return nullptr;
    return kj::str("sandboxes have no network on this machine: ", facts.noNetworkReason);
  }

  void standOn(const BoxRecord& record) {
    if (record.layers.size() == 0 || standing.count(record.id.cStr()) > 0) return;
    auto& layers = standing[record.id.cStr()];
    for (auto& layer : record.layers) layers.add(kj::str(layer));
    snapshots.use(layers);
  }

  // Out of the way at once, deleted in the background.
  void discardBox(kj::StringPtr id) {
    trash.discard(folderOf(id));
    auto found = standing.find(id.cStr());
    if (found == standing.end()) return;
    auto layers = kj::mv(found->second);
    standing.erase(found);
    snapshots.release(layers);
  }

 private:
  void taskFailed(kj::Exception&& e) override { logError("clearing up after a sandbox: ", textOf(e)); }
};

}  // namespace sandbridge::localcloud
