#pragma once
// The language servers that an image may have, and which files they know.

#include <kj/array.h>
#include <kj/string.h>

#include <string_view>

namespace sandbridge::lsp {

struct ServerKind {
  struct Language {
    kj::StringPtr extension;  // ".py"
    kj::StringPtr id;         // the protocol's name of it: "python"
  };

  kj::StringPtr name;
  kj::ArrayPtr<const kj::StringPtr> argv;
  kj::ArrayPtr<const Language> languages;
  // What it says first of a file is not all that there is to say.
  bool firstIsPartial = false;
};

kj::ArrayPtr<const ServerKind> serverKinds();

struct KnownFile {
  const ServerKind& kind;
  kj::StringPtr language;
};

// By the file's extension.
kj::Maybe<KnownFile> serverFor(std::string_view path);

}  // namespace sandbridge::lsp
