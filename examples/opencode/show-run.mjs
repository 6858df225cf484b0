// Reads the lines of `opencode run --format json` on standard input and prints, as they happen, what the model says,
// each tool call and its result. Keeps the parts in the file named as its argument, one JSON object a line.
import { createInterface } from "node:readline";
import { appendFileSync } from "node:fs";

const keep = process.argv[2];
const indent = (text) => text.trimEnd().split("\n").map((line) => `      ${line}`).join("\n");
const brief = (value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)} ... (${text.length} characters)` : text;
};

for await (const line of createInterface({ input: process.stdin })) {
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    console.log(line);
    continue;
  }
  if (keep) appendFileSync(keep, `${line}\n`);
  const part = event.part ?? {};
  if (event.type === "text") console.log(`\n${part.text.trim()}`);
  if (event.type === "error") console.log(`\nERROR ${brief(event.error ?? event)}`);
  if (event.type === "tool_use") {
    const args = Object.entries(part.state.input ?? {}).map(([name, value]) => `${name}=${brief(value)}`);
    console.log(`\n  > ${part.tool} ${args.join(" ")}`);
    console.log(indent(part.state.status === "completed" ? part.state.output : `failed: ${part.state.error}`));
    const diff = part.state.metadata?.diff;
    if (diff) console.log(indent(diff.split("\n").slice(4).join("\n")));
  }
}
