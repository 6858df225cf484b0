// A stand-in for a language model: an OpenAI-compatible chat server that plays a script, so that a real OpenCode can be
// driven without a model. No dependencies.
//
//   node scripted-model.mjs [--port 0] [--script FILE] [--log FILE]
//
// Prints one line `listening PORT http://127.0.0.1:PORT/v1` when it accepts requests.
//
// A script is a JSON array of turns, each { "text"?, "tools"?: [{ "name", "args" }], "delay_ms"? }. Which turn is next follows from
// the request alone: the number of the model's messages after the last message of the user. A user's message that holds a
// line `SCRIPT:[...]` brings its own script. After the script's end, and for requests without tools (titles),
// the answer is a short fixed text. --log keeps each request, one JSON object a line.
import { appendFileSync, readFileSync } from "node:fs";
import http from "node:http";

const option = (name) => {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? undefined : process.argv[index + 1];
};

const DONE = { text: "The script is over." };
const script = option("script") ? JSON.parse(readFileSync(option("script"), "utf8")) : [];
const log = option("log");
let answers = 0;

const textOf = (content) =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("\n");

// OpenCode passes a tool's images on in a message of the user, which begins so.
const isPrompt = (message) =>
  message.role === "user" && !textOf(message.content).startsWith("Attached media from tool result");

function nextTurn({ tools, messages = [] }) {
  if (!tools?.length) return { text: "A scripted session" };
  const last = messages.findLastIndex(isPrompt);
  const own = /SCRIPT:(\[.*)/.exec(last < 0 ? "" : textOf(messages[last].content));
  const turns = own ? JSON.parse(own[1]) : script;
  return turns[messages.slice(last + 1).filter(({ role }) => role === "assistant").length] ?? DONE;
}

async function answer(request, response) {
  if (request.method !== "POST") return void response.writeHead(404).end();
  let body = "";
  for await (const piece of request.setEncoding("utf8")) body += piece;
  const asked = JSON.parse(body);
  if (log) appendFileSync(log, `${JSON.stringify(asked)}\n`);

  const turn = nextTurn(asked);
  if (turn.delay_ms) await new Promise((resolve) => setTimeout(resolve, turn.delay_ms));
  const id = `scripted-${++answers}`;
  const calls = (turn.tools ?? []).map(({ name, args }, index) => ({
    index,
    id: `call_${answers}_${index}`,
    type: "function",
    function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args ?? {}) },
  }));
  const finish = calls.length > 0 ? "tool_calls" : "stop";
  const head = { id, created: Math.floor(Date.now() / 1000), model: asked.model };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

  if (!asked.stream) {
    const message = { role: "assistant", content: turn.text ?? null, ...(calls.length > 0 && { tool_calls: calls }) };
    const choices = [{ index: 0, finish_reason: finish, message }];
    response.writeHead(200, { "content-type": "application/json" });
    return void response.end(JSON.stringify({ ...head, object: "chat.completion", choices, usage }));
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (delta, rest) => {
    const choices = [{ index: 0, delta, finish_reason: rest ? finish : null }];
    response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices, ...rest })}\n\n`);
  };
  send({ role: "assistant", content: "" });
  for (const word of turn.text?.match(/\S+\s*/g) ?? []) send({ content: word });
  for (const call of calls) send({ tool_calls: [call] });
  send({}, { usage });
  response.end("data: [DONE]\n\n");
}

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (!response.headersSent) response.writeHead(400, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: `scripted model: ${error.message}` } }));
  });
});
server.listen(Number(option("port") ?? 0), "127.0.0.1", () => {
  const { port } = server.address();
  console.log(`listening ${port} http://127.0.0.1:${port}/v1`);
});
