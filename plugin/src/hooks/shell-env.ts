// `shell.env`: called before OpenCode starts a shell. With a session it tells bin/sandbridge-shell which one it serves;
// without one it is a terminal on OpenCode's machine, which is refused.
import type { Hooks } from "@opencode-ai/plugin";
import type { Family } from "../host/family.ts";
import type { Options } from "../host/options.ts";

export function shellEnvHook(options: Options, family: Family): NonNullable<Hooks["shell.env"]> {
  return async ({ sessionID }, output) => {
    if (sessionID === undefined) {
      throw new Error(
        "Terminals are closed: they would run on OpenCode's machine, not in a sandbox. " +
          "Use !command in a session, or `sandbridge shell`.",
      );
    }
    Object.assign(output.env, {
      SANDBRIDGE_SHELL_SESSION: sessionID,
      SANDBRIDGE_SHELL_ROOT: await family.rootOf(sessionID),
      SANDBRIDGE_SHELL_CONNECT_TIMEOUT_MS: String(options.connectTimeoutMs),
      // OpenCode's own executable runs TypeScript as well (BUN_BE_BUN), so nothing else needs to be installed.
      SANDBRIDGE_SHELL_RUNTIME: process.execPath,
      ...(options.url !== undefined && { SANDBRIDGE_URL: options.url }),
      ...(options.token !== undefined && { SANDBRIDGE_TOKEN: options.token }),
      ...(options.tokenFile !== undefined && { SANDBRIDGE_TOKEN_FILE: options.tokenFile }),
    });
  };
}
