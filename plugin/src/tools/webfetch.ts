// OpenCode 1.18.33's own words and arguments.
import type { ToolDefinition } from "./definition.ts";

export const webfetch: ToolDefinition = {
  id: "webfetch",
  description: `- Fetches content from a specified URL
- Takes a URL and optional format as input
- Fetches the URL content, converts to requested format (markdown by default)
- Returns the content in the specified format
- Use this tool when you need to retrieve and analyze web content

Usage notes:
  - IMPORTANT: if another tool is present that offers better web fetching capabilities, is more targeted to the task, or has fewer restrictions, prefer using that tool instead of this one.
  - The URL must be a fully-formed valid URL
  - HTTP URLs will be automatically upgraded to HTTPS
  - Format options: "markdown" (default), "text", or "html"
  - This tool is read-only and does not modify any files
  - Results may be summarized if the content is very large
`,
  schema: {
    type: "object",
    properties: {
      url: { type: "string", description: "The URL to fetch content from" },
      format: {
        type: "string",
        enum: ["text", "markdown", "html"],
        description: "The format to return the content in (text, markdown, or html). Defaults to markdown.",
        default: "markdown",
      },
      timeout: { type: "number", description: "Optional timeout in seconds (max 120)" },
    },
    required: ["url"],
  },
};
