// A small MCP server on standard input and output, whose one tool leaves a trace in the directory that it runs in.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "outside", version: "1" },
  }),
  "tools/list": () => ({ tools: [{ name: "touch", description: "x", inputSchema: { type: "object", properties: {} } }] }),
  "tools/call": () => {
    writeFileSync("touched", "");
    return { content: [{ type: "text", text: "touched" }] };
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result = results[method]?.(params);
  const answer = result ? { result } : { error: { code: -32601, message: "no such method" } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...answer })}\n`);
});
