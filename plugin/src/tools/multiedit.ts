// A tool that OpenCode had before 1.18: its arguments, in words of our own. The sandbox's does all edits or none, and asks once.
import type { ToolDefinition } from "./definition.ts";
import { replacement } from "./edit.ts";

export const multiedit: ToolDefinition = {
  id: "multiedit",
  description: `Makes several edits to one file at once. Prefer it to the Edit tool when one file needs more than one change.

Usage:
- You must use your \`Read\` tool on the file before, as for the Edit tool.
- Each edit is an exact string replacement by the rules of the Edit tool. The edits are made in the given order, each on what the one before it has left.
- All edits are made, or none: if one of them fails, the file stays as it was and the error says which.
- An empty \`oldString\` in the first edit makes a new file, which the other edits then change.
- At most 100 edits.
`,
  schema: {
    type: "object",
    properties: {
      filePath: { type: "string", description: "The absolute path to the file to modify" },
      edits: {
        type: "array",
        items: {
          type: "object",
          properties: replacement,
          required: ["oldString", "newString"],
        },
        description: "The edits, in the order in which they are to be made",
      },
    },
    required: ["filePath", "edits"],
  },
};
