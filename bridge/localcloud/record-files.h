#pragma once
// A directory of small files, one a record, named by id and replaced atomically, so that what they say survives kill -9 and
// reboots. Files are named by ids of ours, never by anything a client chose.

#include <kj/array.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

// 21 lower-case letters and digits, as the service's own ids look.
kj::String newId();
bool isId(kj::StringPtr text);

// NOW: durable when the write returns (0.3 ms on an idle disk, 20 ms on a busy one, and the loop waits). LATER: the next
// server finds it even after kill -9, but a power failure within the half minute after it may take it back: enough for a
// sandbox's start, whose files are not durable either.
enum class Sync { NOW, LATER };

class RecordFiles {
 public:
  // Makes `dir` (mode 0700) if need be. Throws when it cannot be used.
  explicit RecordFiles(kj::StringPtr dir);

  struct File {
    kj::String id;
    kj::Maybe<kj::String> text;  // none: not a file that this program could have written
  };
  // Everything on disk; leftovers of writes that never finished are removed.
  kj::Vector<File> load();

  // Throws on a full disk, and then the old record is intact.
  void save(kj::StringPtr id, kj::StringPtr text, Sync sync);
  void remove(kj::StringPtr id);

 private:
  kj::String dir;

  kj::String pathOf(kj::StringPtr id);
};

}  // namespace sandbridge::localcloud
