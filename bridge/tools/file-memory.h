#pragma once
// Contents of files as the tools saw them last, so that a change need not look again. Nothing here
// is trusted: whoever changes a file by it has the sandbox compare (Workspace::replaceFile).

#include <kj/array.h>

#include <list>
#include <map>
#include <string>

namespace sandbridge {

// One for all sessions; holds what was used last, about `limit` bytes of it.
class FileMemory {
 public:
  explicit FileMemory(size_t limit = 8u << 20) : limit(limit) {}
  KJ_DISALLOW_COPY(FileMemory);

  // One session's; forgets with it. The FileMemory must outlive it.
  class Part {
   public:
    explicit Part(FileMemory& memory) : memory(memory) {}
    ~Part() noexcept(false);
    KJ_DISALLOW_COPY(Part);

    // Nothing is kept of a file above LOOK_INLINE_BYTES.
    void keep(const std::string& path, kj::Array<const kj::byte> content);
    // Forgets it, too: who takes it either keeps what it becomes, or has found it outdated.
    kj::Maybe<kj::Array<const kj::byte>> take(const std::string& path);
    void forgetAll();

   private:
    friend class FileMemory;
    FileMemory& memory;
  };

 private:
  struct Entry {
    Part* part;
    std::string path;
    kj::Array<const kj::byte> content;
    size_t cost() const;
  };
  using Entries = std::list<Entry>;

  size_t limit, used = 0;
  Entries entries;  // the one used last is in front
  std::map<std::pair<Part*, std::string>, Entries::iterator> index;

  void drop(Entries::iterator entry);
};

}  // namespace sandbridge
