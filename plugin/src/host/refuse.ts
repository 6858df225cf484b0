// What the plugin does when it cannot work: it takes the tools' names all the same, so that OpenCode's own tools, which act on
// OpenCode's machine, do not step in.
import type { Hooks } from "@opencode-ai/plugin";
import { replaceHostFiles } from "../hooks/chat-message.ts";
import { systemHook } from "../hooks/system.ts";
import { defineTools, makeTools } from "../tools/tools-shape.ts";

/** Tools that refuse with the reason, and a closed door for everything else. The model is told nothing of the directories. */
export function refuseEverything(reason: string, hostDirectories: readonly string[]): Hooks {
  const refusal = (): Error =>
    new Error(`opencode-sandbridge could not start, so nothing is run, on this machine or elsewhere: ${reason}`);
  return {
    tool: makeTools(() => Promise.reject(refusal())),
    "tool.definition": defineTools(),
    "chat.message": (_input, { parts }) => replaceHostFiles(parts, (path) => path, () => Promise.reject(refusal())),
    "experimental.chat.system.transform": systemHook(hostDirectories),
    "tool.execute.before": async () => {
      throw refusal();
    },
    "shell.env": async () => {
      throw refusal();
    },
    config: async (config) => {
      Object.assign(config, { shell: "/bin/false", snapshot: false, lsp: false, formatter: false });
    },
  };
}
