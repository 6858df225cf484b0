#pragma once
// The words of TensorLake's wire that both ends need: our client here, and the local cloud's
// server.

#include <kj/string.h>

namespace sandbridge::tensorlake::wire {

// Headers
constexpr kj::StringPtr SANDBOX_ID = "X-Tensorlake-Sandbox-Id"_kj;
constexpr kj::StringPtr ROUTE_HINT = "X-Tensorlake-Route-Hint"_kj;
constexpr kj::StringPtr REQUEST_TIMEOUT_MS = "X-Tensorlake-Request-Timeout-Ms"_kj;
constexpr kj::StringPtr ORGANIZATION_ID = "X-Forwarded-Organization-Id"_kj;
constexpr kj::StringPtr PROJECT_ID = "X-Forwarded-Project-Id"_kj;
constexpr kj::StringPtr LOCAL_HOST_SUFFIX = ".local"_kj;  // Host: {sandbox id}.local, on loopback

// Lifecycle, after the base URL
constexpr kj::StringPtr SANDBOXES = "/sandboxes"_kj;

// Data plane
constexpr kj::StringPtr RUN = "/api/v1/processes/run"_kj;
constexpr kj::StringPtr PROCESSES = "/api/v1/processes"_kj;
constexpr kj::StringPtr FILES = "/api/v1/files"_kj;
constexpr kj::StringPtr FILES_LIST = "/api/v1/files/list"_kj;
constexpr kj::StringPtr TUNNEL = "/api/v1/tunnels/tcp"_kj;
constexpr kj::StringPtr HEALTH = "/api/v1/health"_kj;

// Error codes
constexpr kj::StringPtr NOT_FOUND = "NOT_FOUND"_kj;
constexpr kj::StringPtr SANDBOX_NOT_FOUND = "SANDBOX_NOT_FOUND"_kj;
constexpr kj::StringPtr SANDBOX_NOT_RUNNING = "SANDBOX_NOT_RUNNING"_kj;
constexpr kj::StringPtr SANDBOX_UPSTREAM_ERROR = "SANDBOX_UPSTREAM_ERROR"_kj;
constexpr kj::StringPtr SANDBOX_NOT_READY = "SANDBOX_NOT_READY"_kj;
constexpr kj::StringPtr SANDBOX_UNREACHABLE = "SANDBOX_UNREACHABLE"_kj;
constexpr kj::StringPtr AUTH_SERVICE_UNAVAILABLE = "AUTH_SERVICE_UNAVAILABLE"_kj;
constexpr kj::StringPtr CONNECTION_REFUSED = "CONNECTION_REFUSED"_kj;
constexpr kj::StringPtr IS_DIRECTORY = "IS_DIRECTORY"_kj;
constexpr kj::StringPtr NOT_A_DIRECTORY = "NOT_A_DIRECTORY"_kj;
constexpr kj::StringPtr STDIN_NOT_WRITABLE = "STDIN_NOT_WRITABLE"_kj;
constexpr kj::StringPtr PATH_TRAVERSAL = "PATH_TRAVERSAL"_kj;

// States
constexpr kj::StringPtr RUNNING = "running"_kj;
constexpr kj::StringPtr SUSPENDED = "suspended"_kj;
constexpr kj::StringPtr TERMINATED = "terminated"_kj;
constexpr kj::StringPtr TIMEOUT = "timeout"_kj;

}  // namespace sandbridge::tensorlake::wire
