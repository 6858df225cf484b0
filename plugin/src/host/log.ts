import type { PluginInput } from "@opencode-ai/plugin";

/** Writes to OpenCode's log. A plugin's own output would end up in the middle of the terminal's picture. */
export function log(client: PluginInput["client"], level: "info" | "warn" | "error", message: string): void {
  // Where OpenCode cannot take the line, there is no other place for it.
  client.app.log({ body: { service: "opencode-sandbridge", level, message } }).catch(() => {});
}
