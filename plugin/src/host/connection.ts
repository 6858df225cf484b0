// The one connection of this process to a bridge. OpenCode loads a plugin once for each directory that it serves, and
// sometimes twice: all of them share it, also when they loaded separate copies of this module.
import { connect } from "../client/index.ts";
import type { SandboxClient } from "../client/types.ts";
import type { Options } from "./options.ts";

const CONNECTIONS = Symbol.for("opencode-sandbridge.connections.1");

type Connections = Map<string, SandboxClient>;

/** Opens the connection, or returns the open one. Does not wait for it, and does not fail when the bridge is down. */
export function sharedConnection(options: Options): SandboxClient {
  const shared = globalThis as { [CONNECTIONS]?: Connections };
  const connections: Connections = (shared[CONNECTIONS] ??= new Map());
  const { url, token, tokenFile, connectTimeoutMs } = options;
  const key = JSON.stringify([url, token, tokenFile, connectTimeoutMs]);
  let connection = connections.get(key);
  if (!connection) {
    connection = connect({ url, token, tokenFile, connectTimeoutMs });
    connections.set(key, connection);
  }
  return connection;
}
