// `event`: keeps the family tree, and removes the sandbox of a session that was deleted.
import type { Hooks, PluginInput } from "@opencode-ai/plugin";
import type { SandboxClient } from "../client/types.ts";
import type { Family } from "../host/family.ts";
import { log } from "../host/log.ts";

/** How long to wait between attempts while the bridge is away; after the last one, the sandbox is left to its own end. */
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 1_800_000];

export function eventHook(
  client: PluginInput["client"],
  connection: SandboxClient,
  family: Family,
): NonNullable<Hooks["event"]> {
  return async ({ event }) => {
    switch (event.type) {
      case "session.created":
        family.note(event.properties.info.id, event.properties.info.parentID);
        break;
      case "session.deleted": {
        const { id, parentID } = event.properties.info;
        family.forget(id);
        // A subagent's session leaves the sandbox to its root.
        if (parentID === undefined) await destroy(client, connection, id);
        break;
      }
    }
  };
}

async function destroy(client: PluginInput["client"], connection: SandboxClient, sessionID: string): Promise<void> {
  for (const wait of [...RETRY_MS, undefined]) {
    try {
      await connection.session(sessionID).destroy();
      return;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (wait === undefined) {
        log(client, "error", `The sandbox of the deleted session ${sessionID} could not be removed: ${text}`);
        return;
      }
      log(client, "warn", `The sandbox of the deleted session ${sessionID} is not removed yet: ${text}`);
      await new Promise<void>((resolve) => void setTimeout(resolve, wait).unref());
    }
  }
}
