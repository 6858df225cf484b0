#pragma once
// The JSON of TensorLake's wire: bodies out, answers in. Unknown fields are ignored; what we need
// and do not find is an error that says so.

#include "tensorlake/client.h"

namespace sandbridge::tensorlake {

kj::String toJson(const CreateRequest& request, const Config& defaults);
kj::String toJson(const ProcessRequest& request);
kj::String signalJson(int number);

// Of create, get and list answers: `id` or `sandbox_id`.
Sandbox parseSandbox(kj::ArrayPtr<const char> json);

struct SandboxPage {
  kj::Array<Sandbox> sandboxes;
  kj::String nextCursor;  // empty: the last page
};
SandboxPage parseSandboxPage(kj::ArrayPtr<const char> json);

ProcessInfo parseProcess(kj::ArrayPtr<const char> json);
kj::Array<ProcessInfo> parseProcesses(kj::ArrayPtr<const char> json);
kj::Array<FileEntry> parseFiles(kj::ArrayPtr<const char> json);

// None for events that say nothing to us. An `error` event and malformed JSON throw INTERRUPTED.
// `secret` as in oneLine().
kj::Maybe<ProcessEvent> parseProcessEvent(const StreamEvent& event, kj::StringPtr secret = nullptr);

// A text of the server's, for people to read: valid UTF-8, cut after 500 bytes and freed of what
// could disturb a terminal or a log line. A text that holds `secret`, as that of a server that
// echoes our headers, is left out whole.
kj::String oneLine(kj::ArrayPtr<const char> text, kj::StringPtr secret);

struct ErrorBody {  // both as oneLine()
  kj::String text;
  kj::String code;
};
// Of JSON `{"error","code"}` or plain text.
ErrorBody parseError(kj::ArrayPtr<const char> body, kj::StringPtr secret = nullptr);

}  // namespace sandbridge::tensorlake
