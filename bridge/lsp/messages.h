#pragma once
// The few messages of the Language Server Protocol (3.17) that are spoken here, as JSON text.

#include "base/json.h"
#include "tools/language-servers.h"

namespace sandbridge::lsp {

// "file:///workspace/a%20b.c"
kj::String uriOf(std::string_view path);
// The normalised path; nothing for any other URI, for what is not UTF-8 and for a NUL.
kj::Maybe<std::string> pathOf(kj::StringPtr uri);

// The request has the id 1, the only one that is sent.
constexpr int64_t INITIALIZE_ID = 1;
kj::String initializeRequest(kj::StringPtr root);
kj::String initializedNotification();

enum class FileEvent { CREATED = 1, CHANGED = 2, DELETED = 3 };
kj::String watchedNotification(std::string_view path, FileEvent event);
kj::String openNotification(std::string_view path, kj::StringPtr language, int64_t version,
                            kj::StringPtr text);
// The whole text anew, which each server takes.
kj::String changeNotification(std::string_view path, int64_t version, kj::StringPtr text);
kj::String closeNotification(std::string_view path);

// The answer to what a server asks of its client. `id` is that of the request.
kj::String answerTo(kj::StringPtr method, const JsonValue& id, kj::Maybe<const JsonValue&> params,
                    kj::StringPtr root);

// `textDocument/publishDiagnostics`.
struct Published {
  FileDiagnostics file;
  kj::Maybe<int64_t> version;
};
// Keeps so much of a file's list: this many errors and this many others, and the beginning of a message.
constexpr size_t ERRORS_KEPT = 64;
constexpr size_t OTHERS_KEPT = 64;
constexpr size_t MESSAGE_BYTES = 2000;
// Nothing for what is not such a notification, or of no file.
kj::Maybe<Published> readPublished(const JsonValue& params);

}  // namespace sandbridge::lsp
