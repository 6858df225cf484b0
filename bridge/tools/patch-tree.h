#pragma once
// The files that a patch touches, as they are and as it makes them, and how all of them become that,
// or none.

#include "tools/file-turn.h"

#include <map>
#include <set>

namespace sandbridge {

class PatchTree {
 public:
  struct Entry {
    FileState state;                              // without its content
    kj::Maybe<kj::Array<const kj::byte>> before;  // null: there was no file
    kj::Maybe<kj::Array<const kj::byte>> now;
    bool touched = false;
  };

  Entry& at(const std::string& path) { return entries.find(path)->second; }

  // Takes out of `unknown` what is remembered. Returns whether anything is.
  kj::Promise<bool> remember(ToolContext& context, std::set<std::string>& unknown);
  // In one round trip.
  kj::Promise<void> look(ToolContext& context, std::set<std::string> paths);

  // What is made of the files; at first they are as they are.
  void restart();
  void set(const std::string& path, kj::Maybe<kj::Array<const kj::byte>> content);

  struct Outcome {
    bool isDone = false;
    // Else: what went wrong; or nothing, when files have changed that are known to be otherwise now,
    // or not known any more.
    kj::Maybe<kj::String> failure;
    std::set<std::string> unknown;
  };
  // Writes what has been set: everything, or nothing.
  kj::Promise<Outcome> commit(ToolContext& context);

 private:
  std::map<std::string, Entry> entries;
  std::vector<std::string> order;  // in which they were touched

  kj::Promise<void> learn(ToolContext& context, std::string path, FileState state);
  kj::Promise<std::vector<std::string>> rollBack(ToolContext& context,
                                                 std::vector<std::string> written);
};

}  // namespace sandbridge
