// OpenCode 1.18.33's own words and arguments.
import type { ToolDefinition } from "./definition.ts";

export const skill: ToolDefinition = {
  id: "skill",
  description: `Load a specialized skill when the task at hand matches one of the skills listed in the system prompt.

Use this tool to inject the skill's instructions and resources into current conversation. The output may contain detailed workflow guidance as well as references to scripts, files, etc in the same directory as the skill.

The skill name must match one of the skills listed in your system prompt.
`,
  schema: {
    type: "object",
    properties: {
      name: { type: "string", description: "The name of the skill from available_skills" },
    },
    required: ["name"],
  },
};
