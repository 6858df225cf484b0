// Has an OpenCode server do a task in a new session, and prints, as they happen, what the model says, each tool call and its
// result. The task is read from standard input. Not `opencode run --attach`: 1.18.33 ends before it has printed the last parts.
//
//   node run-task.mjs URL PARTS-FILE
//
// Keeps the finished parts in PARTS-FILE, one JSON object a line, and prints the session's id on its last line.
import { appendFileSync } from "node:fs";

const [url, partsFile] = process.argv.slice(2);

const api = async (method, path, body) => {
  const response = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15 * 60_000),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
};

const indent = (text) => text.trimEnd().split("\n").map((line) => `      ${line}`).join("\n");
const brief = (value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)} ... (${text.length} characters)` : text;
};

const shown = new Set();
function show(part) {
  const finished = part.type === "tool" ? ["completed", "error"].includes(part.state.status) : part.time?.end !== undefined;
  if (!["tool", "text"].includes(part.type) || !finished || shown.has(part.id)) return;
  shown.add(part.id);
  appendFileSync(partsFile, `${JSON.stringify(part)}\n`);
  if (part.type === "text") {
    console.log(`\n${part.text.trim()}`);
    return;
  }
  const args = Object.entries(part.state.input ?? {}).map(([name, value]) => `${name}=${brief(value)}`);
  console.log(`\n  > ${part.tool} ${args.join(" ")}`);
  console.log(indent(part.state.status === "completed" ? part.state.output : `failed: ${part.state.error}`));
  const diff = part.state.metadata?.diff;
  if (diff) console.log(indent(diff.split("\n").slice(4).join("\n")));
}

let task = "";
for await (const piece of process.stdin.setEncoding("utf8")) task += piece;

const session = await api("POST", "/session", {});
const listening = new AbortController();
const events = await fetch(`${url}/event`, { signal: listening.signal });
const watching = (async () => {
  let text = "";
  for await (const bytes of events.body.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines.filter((each) => each.startsWith("data: "))) {
      const event = JSON.parse(line.slice("data: ".length));
      const part = event.properties?.part;
      if (event.type === "message.part.updated" && part.sessionID === session.id) show(part);
    }
  }
})().catch((error) => {
  if (!listening.signal.aborted) throw error;
});

await api("POST", `/session/${session.id}/message`, { parts: [{ type: "text", text: task.trim() }] });
listening.abort();
await watching;
for (const message of await api("GET", `/session/${session.id}/message`)) {
  if (message.info.role !== "assistant") continue;
  if (message.info.error) throw new Error(`OpenCode: ${JSON.stringify(message.info.error)}`);
  for (const part of message.parts) show(part);
}
console.log(`\n${session.id}`);
