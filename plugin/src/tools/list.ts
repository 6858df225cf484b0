// A tool that OpenCode had before 1.18: its arguments, in words of our own.
import type { ToolDefinition } from "./definition.ts";

export const list: ToolDefinition = {
  id: "list",
  description: `Shows the files below a directory as a tree.

Usage:
- The path parameter should be an absolute path; omit it for the workspace.
- At most 100 files are shown. What is built or downloaded (node_modules, dist, build, target and the like in that directory) is left out; ignore takes glob patterns of more that shall be.
- If you know what you are looking for, prefer the Glob and Grep tools.
`,
  schema: {
    type: "object",
    properties: {
      path: {
        type: "string",
        description: "The absolute path of the directory to show. Defaults to the workspace.",
      },
      ignore: {
        type: "array",
        items: { type: "string" },
        description: "Glob patterns of files and directories to leave out",
      },
    },
    required: [],
  },
};
