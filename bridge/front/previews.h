#pragma once
// Previews: ports of sandboxes, opened to a person's browser through the bridge's own port, each under a host name of its own
// with an unguessable part: `http://preview-TOKEN.localhost:8787/`. A name of its own, so that absolute paths, cookies and
// storage of what runs there work and are nobody else's; browsers take every name under `localhost` for this machine.
//
// Requests pass with path, query, headers and body, and so do the answers, streaming both ways; WebSockets pass too. What
// listens in the sandbox sees itself as `localhost:PORT`, in Host and Origin. A suspended sandbox is resumed. A preview ends, and
// what passes through it is cut, when its session's sandbox ends; after a restart of the bridge the model asks for a new link.

#include "sandbox/sessions.h"
#include "tensorlake/client.h"
#include "tensorlake/tunnels.h"
#include "tools/port-links.h"

#include <kj/compat/http.h>

namespace sandbridge {

class Previews {
 public:
  virtual ~Previews() noexcept(false) {}

  // The links of the session with this root id. The result must not outlive `this`.
  virtual kj::Own<PortLinks> linksOf(kj::StringPtr rootSessionId) = 0;

  // Serves requests whose Host is a preview's name; 404 for a name that is none (any more). All others go to `inner`.
  virtual kj::Own<kj::HttpService> serveBefore(kj::HttpService& inner, const kj::HttpHeaderTable& table) = 0;
};

// Whether it can be newPreviews()' `address`.
bool isPreviewAddress(kj::StringPtr text);

// `address`: how browsers reach the bridge, with a `*` for the part that names the preview: "http://*.localhost:8787",
// "https://*.preview.example.com". All references must outlive the result.
kj::Own<Previews> newPreviews(Sessions& sessions, tensorlake::Client& client, tensorlake::Tunnels& tunnels,
                              kj::Timer& timer, kj::StringPtr address);

}  // namespace sandbridge
