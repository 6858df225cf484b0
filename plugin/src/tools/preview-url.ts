// A tool that OpenCode lacks: OpenCode's own commands listen on the user's machine, where a browser reaches them anyway.
import type { ToolDefinition } from "./definition.ts";

export const previewUrl: ToolDefinition = {
  id: "preview_url",
  description: `Returns a link by which the user's browser reaches a port that something in the workspace listens on: a development server, a page, an API. Without it the user cannot: \`localhost\` is another machine for them.

- Start the server first, in the background.
- Give the link to the user. HTTP, streaming and WebSockets work through it.
- One link a port, the same one each time, until the session ends.
`,
  schema: {
    type: "object",
    properties: {
      port: {
        type: "integer",
        minimum: 1,
        maximum: 65535,
        description: "The port",
      },
    },
    required: ["port"],
  },
};
