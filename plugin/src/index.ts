// The OpenCode plugin. OpenCode goes on with its own tools, on its own machine, when a plugin fails to load: so nothing
// that can fail is loaded before there is something to refuse with.
import type { Plugin } from "@opencode-ai/plugin";
import { refuseEverything } from "./host/refuse.ts";

const server: Plugin = async (input, options) => {
  try {
    const { start } = await import("./plugin.ts");
    return start(input, options);
  } catch (error) {
    return refuseEverything(error instanceof Error ? error.message : String(error), [input.directory, input.worktree]);
  }
};

export default { id: "opencode-sandbridge", server };
