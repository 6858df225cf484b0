#pragma once
// What the tools ask of language servers: what is wrong with files that have just been changed. lsp/
// implements it.

#include <kj/async.h>
#include <kj/string.h>
#include <kj/time.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sandbridge {

// As the Language Server Protocol has it: lines and UTF-16 units count from 0.
struct Diagnostic {
  struct Position {
    uint64_t line = 0, character = 0;
  };
  Position start, end;
  unsigned severity = 0;  // 1 is an error; 0: not said
  std::string message;    // valid UTF-8, as the rest
  std::string source;     // may be empty
  std::variant<std::monostate, int64_t, std::string> code;
};

struct FileDiagnostics {
  std::string path;
  std::vector<Diagnostic> list;
  size_t moreErrors = 0;  // that are not in `list`
};

// How long an answer waits for them: with all around it, less than 1.5 s.
constexpr kj::Duration DIAGNOSTICS_LIMIT = 1400 * kj::MILLISECONDS;

// One session's. Paths are absolute and normalised. Nothing here fails a call: what goes wrong is logged.
class LanguageServers {
 public:
  virtual ~LanguageServers() noexcept(false) {}

  // Whether a server for such a file is there, or may be. Costs nothing.
  virtual bool mayKnow(std::string_view path) = 0;

  struct ChangedFile {
    std::string path;
    kj::String text;
  };
  // Tells the servers what is in these files now, and waits for what they say of them, DIAGNOSTICS_LIMIT
  // at most. Returns all that the servers have said, also of other files, the file first of which they
  // spoke first; nothing if they said nothing of these files in time. Never rejects.
  virtual kj::Promise<std::vector<FileDiagnostics>> check(std::vector<ChangedFile> files) = 0;

  // The file is not there any more.
  virtual void removed(const std::string& path) = 0;

  // Ends the servers, which start again with the next check(). Resolves when they have ended, after some
  // seconds at most, and never rejects.
  virtual kj::Promise<void> end() = 0;

  // The sandbox was lost with the servers in it, and nobody has been told.
  virtual kj::Maybe<kj::Exception> takeLoss() = 0;
  // Somebody has been told. What is known of the servers is forgotten.
  virtual void sandboxLost() = 0;
};

}  // namespace sandbridge
