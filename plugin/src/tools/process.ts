// A tool that OpenCode lacks: commands that run in the background of the sandbox. One tool, so that a model's list stays short.
import type { ToolDefinition } from "./definition.ts";

export const process: ToolDefinition = {
  id: "process",
  description: `Runs commands in the background of the workspace: servers, watchers, long builds, interactive programs. They go on after the call and between messages, until they end or are killed. For a command whose end you wait for, use bash.

Actions:
- "start": runs \`command\` with bash, in \`workdir\` if given, and returns its number (id) with its first output.
- "output": what process \`id\` has printed (standard output and error) from byte \`offset\` on; without \`offset\`, the end of it. Each answer names the offset to go on from. With \`wait\`, waits so many milliseconds for more output or the process's end.
- "input": sends \`input\` to the standard input of process \`id\`, exactly as it is: end a line with "\\n". \`close\`: true ends the input after it. Returns what the process prints in answer.
- "kill": ends process \`id\` and all that it has started.
- "list": all background processes, and the ports that something listens on.
`,
  schema: {
    type: "object",
    properties: {
      action: {
        type: "string",
        enum: ["start", "output", "input", "kill", "list"],
        description: "What to do",
      },
      command: {
        type: "string",
        description: "start: the command to run",
      },
      workdir: {
        type: "string",
        description: "start: the directory to run it in. Default: the workspace",
      },
      id: {
        minimum: 0,
        type: "integer",
        maximum: 9007199254740991,
        description: "output, input, kill: the number of the process",
      },
      offset: {
        minimum: 0,
        type: "integer",
        maximum: 9007199254740991,
        description: "output: the first byte to return (counted from 0)",
      },
      input: {
        type: "string",
        description: "input: the text to send",
      },
      close: {
        type: "boolean",
        description: "input: whether the input ends after it",
      },
      wait: {
        minimum: 0,
        type: "integer",
        maximum: 30000,
        description: "start, output, input: how long to wait for output, in milliseconds",
      },
    },
    required: ["action"],
  },
};
