#pragma once
// Where TensorLake is and who we are there, from TensorLake's own environment variables.

#include <kj/common.h>
#include <kj/function.h>
#include <kj/string.h>

#include <stdint.h>

namespace sandbridge::tensorlake {

struct Config {
  kj::String apiKey;  // TENSORLAKE_API_KEY, else TENSORLAKE_PAT
  kj::String apiUrl = kj::str("https://api.tensorlake.ai");  // no slash at its end
  kj::String sandboxProxyUrl;  // data plane, where the server names none; empty: refuse
  kj::String organizationId;   // these two go together, with a personal access token
  kj::String projectId;
  kj::String space = kj::str("default");  // INDEXIFY_NAMESPACE, in paths of loopback servers

  // Of new sandboxes, where their creator says nothing.
  kj::String image;  // empty: TensorLake's default
  double cpus = 2;
  uint32_t memoryMb = 4096;
  uint32_t diskMb = 10240;
};

// Value of an environment variable, none when it is unset.
using EnvironmentLookup = kj::Function<kj::Maybe<kj::StringPtr>(kj::StringPtr name)>;

// Throws INVALID_ARGUMENT naming the variable that is wrong. A missing key is not an error here.
Config configFromEnvironment(EnvironmentLookup lookup);
// From this process's environment.
Config configFromEnvironment();

// Base of lifecycle calls: `https://sandbox.X` for `https://api.X`, `API/v1/namespaces/NS` on
// loopback. Any other host throws INVALID_ARGUMENT: TensorLake's own clients would send the key to
// production instead. So does http elsewhere than on loopback.
kj::String lifecycleUrl(const Config& config);

// "http", "127.0.0.1:8080": the parts of an http or https URL that matter here; throws
// INVALID_ARGUMENT for others and for URLs that hold a user name.
struct UrlParts {
  kj::String scheme;
  kj::String host;  // without port
  kj::String port;  // empty, or ":8080"
  kj::String path;  // "", or "/x" without a slash at its end
};
UrlParts parseUrl(kj::StringPtr url);

// Exactly what TensorLake's clients take for "localhost mode".
bool isLocalhost(kj::StringPtr host);
// Whether nothing that is sent there leaves this machine.
bool isLoopback(kj::StringPtr host);

// Whether the key may be sent to the address that an answer names for a sandbox: an https host
// under X where the API is `https://api.X`, loopback where the API is on loopback, and what
// TENSORLAKE_SANDBOX_PROXY_URL names. An answer must not be able to send the key anywhere else.
bool mayHaveKey(const Config& config, const UrlParts& url);

}  // namespace sandbridge::tensorlake
