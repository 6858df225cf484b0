// `opencode serve`, driven as its own clients drive it: over HTTP and its event stream.
import { Child } from "./processes.mjs";

const REQUEST_MS = 60_000;
/** A turn of the model may have a command in it that is waited for. */
const TURN_MS = 180_000;
const FIRST_ANSWER_MS = 4_000;
const FIRST_ATTEMPTS = 5;

export class OpenCode {
  static async start(command, world) {
    const child = await Child.start(command, ["serve", "--port", "0", "--print-logs"], {
      env: world.env,
      cwd: world.host,
      ready: /opencode server listening on (http:\S+)/,
      name: "opencode",
      timeoutMs: 60_000,
    });
    return await OpenCode.at(child.match[1], child);
  }

  /** The server at `url`, which ends with the process `child`. */
  static async at(url, child) {
    const opencode = new OpenCode(url, child);
    try {
      await opencode.#follow();
    } catch (error) {
      await opencode.stop();
      throw new Error(`OpenCode sends no events:\n${child.lines.join("\n")}`, { cause: error });
    }
    return opencode;
  }

  constructor(url, child) {
    this.url = url;
    this.child = child;
    /** Every event so far. */
    this.events = [];
    this.ending = new AbortController();
  }

  /** Collects events from here on; resolves when the stream is open. */
  async #follow() {
    const response = await this.#firstAnswer();
    const read = async () => {
      let text = "";
      for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (text + bytes).split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          if (block.startsWith("data: ")) this.events.push({ at: Date.now(), ...JSON.parse(block.slice(6)) });
        }
      }
    };
    read().catch(() => {}); // the end of the stream is the end of the server
  }

  /** OpenCode loses or leaves hanging some of the requests that come while it starts, also after its ready line. */
  async #firstAnswer() {
    for (let attempt = 1; ; attempt++) {
      const slow = new AbortController();
      const timer = setTimeout(() => slow.abort(), FIRST_ANSWER_MS);
      try {
        return await fetch(`${this.url}/event`, { signal: AbortSignal.any([this.ending.signal, slow.signal]) });
      } catch (error) {
        if (attempt === FIRST_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      } finally {
        clearTimeout(timer);
      }
    }
  }

  async request(method, path, body, headers = {}, timeoutMs = REQUEST_MS) {
    let response, text;
    try {
      response = await fetch(this.url + path, {
        method,
        headers: { "content-type": "application/json", ...headers },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new Error(`${method} ${path}: ${cause.message}\n${this.child.lines.slice(-20).join("\n")}`, { cause });
    }
    const answer = text && /json/.test(response.headers.get("content-type")) ? JSON.parse(text) : text;
    if (!response.ok) throw Object.assign(new Error(`${method} ${path}: ${response.status} ${text}`), { response });
    return answer;
  }

  async newSession() {
    return (await this.request("POST", "/session", {})).id;
  }

  /** Has the model play these turns, and returns the tool parts of the turn when it is over. */
  async play(session, turns, { model = "stand-in", headers } = {}) {
    const before = new Set((await this.toolParts(session)).map(({ id }) => id));
    await this.request(
      "POST",
      `/session/${session}/message`,
      {
        model: { providerID: "scripted", modelID: model },
        parts: [{ type: "text", text: `SCRIPT:${JSON.stringify(turns)}` }],
      },
      headers,
      TURN_MS,
    );
    return (await this.toolParts(session)).filter(({ id }) => !before.has(id));
  }

  /** One call of one tool, after which the model says "done". */
  async callTool(session, name, args, options) {
    const parts = await this.play(session, [{ tools: [{ name, args }] }, { text: "done" }], options);
    return parts[0];
  }

  async messages(session) {
    return await this.request("GET", `/session/${session}/message`);
  }

  async toolParts(session) {
    return (await this.messages(session)).flatMap(({ parts }) => parts).filter(({ type }) => type === "tool");
  }

  async children(session) {
    return await this.request("GET", `/session/${session}/children`);
  }

  /** The text of each toast so far. */
  toasts() {
    return this.events.filter(({ type }) => type === "tui.toast.show").map(({ properties }) => properties.title);
  }

  async stop() {
    this.ending.abort();
    await this.child.stop();
  }
}
