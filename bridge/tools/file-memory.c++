#include "tools/file-memory.h"

#include "tools/file-state.h"

namespace sandbridge {

FileMemory::Part::~Part() noexcept(false) {
  forgetAll();
}

void FileMemory::Part::forgetAll() {
  auto& index = memory.index;
  for (auto at = index.lower_bound({this, ""}); at != index.end() && at->first.first == this;) {
    auto entry = (at++)->second;
    memory.drop(entry);
  }
}

void FileMemory::Part::keep(const std::string& path, kj::Array<const kj::byte> content) {
  take(path);
  if (content.size() > LOOK_INLINE_BYTES) return;
  memory.entries.push_front(Entry{this, path, kj::mv(content)});
  memory.index[{this, path}] = memory.entries.begin();
  memory.used += memory.entries.front().cost();
  while (memory.used > memory.limit) memory.drop(std::prev(memory.entries.end()));
}

kj::Maybe<kj::Array<const kj::byte>> FileMemory::Part::take(const std::string& path) {
  auto found = memory.index.find({this, path});
  if (found == memory.index.end()) return nullptr;
  auto entry = found->second;
  memory.used -= entry->cost();
  auto content = kj::mv(entry->content);
  memory.index.erase(found);
  memory.entries.erase(entry);
  return kj::mv(content);
}

void FileMemory::drop(Entries::iterator entry) {
  entry->part->take(entry->path);
}

size_t FileMemory::Entry::cost() const {
  constexpr size_t AROUND = 256;  // the nodes, about
  return content.size() + 2 * path.size() + AROUND;
}

}  // namespace sandbridge
