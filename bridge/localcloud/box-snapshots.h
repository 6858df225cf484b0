#pragma once
// The snapshots of a machine's boxes: read-only copies of what a box had written, which other boxes stand on as layers of
// their overlays. A box restored from a snapshot costs what it changes.
//
// On disk, below `dir`: ID/files (as a box's upper folder), ID/snapshot.json (the snapshots below it, and whose ids own the
// files), .making-ID while it is made. A snapshot whose owner has forgotten it stays until the last box and the last snapshot
// that stand on it are gone.

#include <kj/async-io.h>
#include <kj/function.h>
#include <kj/io.h>
#include <kj/string.h>
#include <kj/vector.h>

#include <map>
#include <set>
#include <string>

#include "box-host.h"
#include "box.h"

namespace sandbridge::localcloud {

class BoxSnapshots {
 public:
  // `image` is the embedded executable; `discard` takes a folder out of the way and deletes it later. All must outlive this.
  BoxSnapshots(kj::AsyncIoContext& io, kj::StringPtr dir, const BoxHost& facts, int image,
               kj::Function<void(kj::StringPtr)> discard);

  // Reads what is on disk and removes what is half-made. Call once, first.
  void load();

  // The layers of a box that starts on this snapshot, top first. Throws NOT_FOUND, or FAILED when a sandbox of this server
  // cannot use it.
  kj::Array<kj::String> layersOver(kj::StringPtr id);

  // A box stands on these layers, or no longer does.
  void use(kj::ArrayPtr<const kj::String> layers);
  void release(kj::ArrayPtr<const kj::String> layers);

  struct Order {
    kj::String id;                  // new
    kj::String folder;              // the box's
    kj::Array<kj::String> layers;   // what the box stands on, top first
    uint64_t pidNamespace = 0;      // 0: nothing runs in it, or it is frozen
  };
  // Resolves when the snapshot can be used; rejects and leaves nothing. `running` is paused for a moment, and if it cannot be
  // let go on afterwards, that is left to thaw().
  kj::Promise<SnapshotFacts> take(Order order, kj::Maybe<Box&> running);
  kj::Promise<void> makeDurable(kj::StringPtr id);

  // Nobody but boxes and other snapshots needs it any more.
  void forget(kj::StringPtr id);
  // Forgets all but these; tells which of these there are.
  std::set<std::string> keep(kj::ArrayPtr<const kj::String> ids);

 private:
  struct Entry {
    kj::Vector<kj::String> layers;  // below it
    kj::String owner;
    bool wanted = true;
    unsigned users = 0;  // boxes and snapshots
  };

  kj::AsyncIoContext& io;
  kj::String dir;
  const BoxHost& facts;
  int image;
  kj::Function<void(kj::StringPtr)> discard;
  std::map<std::string, Entry> entries;

  kj::String owner() const;
  kj::String folderOf(kj::StringPtr id) const { return kj::str(dir, '/', id); }
  void removeUnused();
  static void save(kj::StringPtr folder, const Entry& entry);
  static kj::Maybe<Entry> loadEntry(kj::StringPtr folder);
};

}  // namespace sandbridge::localcloud
