// OpenCode 1.18.33's own words and arguments.
import type { ToolDefinition } from "./definition.ts";

/** What an edit is, besides its file. */
export const replacement = {
  oldString: {
    type: "string",
    description: "The text to replace",
  },
  newString: {
    type: "string",
    description: "The text to replace it with (must be different from oldString)",
  },
  replaceAll: {
    type: "boolean",
    description: "Replace all occurrences of oldString (default false)",
  },
} as const;

export const edit: ToolDefinition = {
  id: "edit",
  description: `Performs exact string replacements in files. 

Usage:
- You must use your \`Read\` tool at least once in the conversation before editing. This tool will error if you attempt an edit without reading the file. 
- When editing text from Read tool output, ensure you preserve the exact indentation (tabs/spaces) as it appears AFTER the line number prefix. The line number prefix format is: line number + colon + space (e.g., \`1: \`). Everything after that space is the actual file content to match. Never include any part of the line number prefix in the oldString or newString.
- ALWAYS prefer editing existing files in the codebase. NEVER write new files unless explicitly required.
- Only use emojis if the user explicitly requests it. Avoid adding emojis to files unless asked.
- The edit will FAIL if \`oldString\` is not found in the file with an error "oldString not found in content".
- The edit will FAIL if \`oldString\` is found multiple times in the file with an error "Found multiple matches for oldString. Provide more surrounding lines in oldString to identify the correct match." Either provide a larger string with more surrounding context to make it unique or use \`replaceAll\` to change every instance of \`oldString\`. 
- Use \`replaceAll\` for replacing and renaming strings across the file. This parameter is useful if you want to rename a variable for instance.
`,
  schema: {
    type: "object",
    properties: {
      filePath: {
        type: "string",
        description: "The absolute path to the file to modify",
      },
      ...replacement,
    },
    required: ["filePath", "oldString", "newString"],
  },
};
