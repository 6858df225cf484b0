// One case on one side, and everything that could be seen of it.
import { laterTurnsOf, setupScript, turnsOf } from "./cases.mjs";
import { RequestLog } from "./sides.mjs";

const POLL_MS = 5;

// An empty repository again: the same one, as OpenCode finds out when it starts what the project is.
const CLEAR = "rm -rf /outside*; find /workspace -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +";

// Kinds, modes, sizes, links and contents of whatever is there; not of the repository's own files.
const LOOK = `
cd /workspace
for top in . /outside; do [ -e "$top" ] || continue
find "$top" -path ./.git -prune -o -printf '%y %m %p -> %l\\n' | LC_ALL=C sort
find "$top" -path ./.git -prune -o -type f -exec sha256sum {} + | LC_ALL=C sort -k 2
done`;

export class Player {
  constructor(side) {
    this.side = side;
    this.log = new RequestLog(side.world.requestLog);
  }

  async play(one) {
    if (one.ripgrep !== false) return await this.#play(one);
    await this.side.hideRipgrep();
    try {
      return await this.#play(one);
    } finally {
      await this.side.showRipgrep();
    }
  }

  async #play(one) {
    const { side, log } = this;
    const { opencode } = side;
    opencode.events.length = 0;
    const { script, input } = setupScript(one);
    const [session] = await Promise.all([side.newSession(), side.run(`${CLEAR}\n${script}`, input)]);
    log.next();

    const asked = [];
    const ending = new AbortController();
    const helpers = [this.#answerQuestions(session, one, asked, ending.signal)];
    if (one.abort_after_s !== undefined) helpers.push(this.#abort(session, one.abort_after_s, ending.signal));
    let parts;
    try {
      parts = await opencode.play(session, turnsOf(one), { model: modelFor(one) });
      if (one.then) {
        const turns = laterTurnsOf(one, parts[0].state.metadata.outputPath);
        parts.push(...(await opencode.play(session, turns, { model: modelFor(one) })));
      }
    } finally {
      ending.abort();
      await Promise.all(helpers);
    }
    return {
      asked,
      parts: parts.map(({ tool, state }) => ({ tool, ...withoutTimes(state) })),
      states: this.#states(parts),
      model: this.#modelSaw(),
      files: one.look === false ? "" : await side.run(LOOK),
    };
  }

  async #answerQuestions(session, { reply }, asked, signal) {
    const { opencode } = this.side;
    const answers = answering(reply);
    for (let next = 0; !signal.aborted; ) {
      if (next >= opencode.events.length) {
        await pause(POLL_MS);
        continue;
      }
      const { type, properties } = opencode.events[next++];
      if (type !== "permission.asked" || properties.sessionID !== session) continue;
      const { id, permission, patterns, always, metadata } = properties;
      asked.push({ permission, patterns, always, metadata });
      const answer = answers(permission);
      await opencode
        .request("POST", `/permission/${id}/reply`, typeof answer === "string" ? { reply: answer } : answer)
        .catch((error) => asked.push({ unanswered: error.message }));
    }
  }

  async #abort(session, seconds, signal) {
    const { opencode } = this.side;
    const running = ({ type, properties }) =>
      type === "message.part.updated" && properties.part.sessionID === session && properties.part.state?.status === "running";
    while (!signal.aborted && !opencode.events.some(running)) await pause(POLL_MS);
    await pause(seconds * 1000);
    if (!signal.aborted) await opencode.request("POST", `/session/${session}/abort`, {});
  }

  /** For each part the states that it went through; how often it was updated in one is a matter of time. */
  #states(parts) {
    const states = new Map(parts.map(({ id }) => [id, []]));
    for (const { type, properties } of this.side.opencode.events) {
      if (type !== "message.part.updated") continue;
      const { id, state } = properties.part;
      const list = states.get(id);
      if (list && list.at(-1) !== state.status) list.push(state.status);
    }
    return [...states.values()];
  }

  /** What the model was given for its calls, and whether it was called again at all. */
  #modelSaw() {
    const requests = this.log.next().filter(({ tools }) => tools?.length);
    const { messages } = requests.at(-1) ?? { messages: [] };
    const from = messages.findIndex(({ role }) => role === "tool");
    const told = from < 0 ? [] : messages.slice(from).filter(({ role }) => role === "tool" || role === "user");
    return { requests: requests.length, told: told.map(({ role, content }) => ({ role, content })) };
  }
}

/** A case's `reply`: what is answered to the next question, which is about `permission`. */
function answering(reply = "once") {
  const inOrder = Array.isArray(reply) ? [...reply] : undefined;
  if (inOrder) return () => inOrder.shift() ?? "once";
  if (typeof reply === "string" || reply.reply) return () => reply;
  return (permission) => reply[permission] ?? "once";
}

/** OpenCode offers apply_patch to some models, and edit and write to the others. */
const modelFor = ({ tool }) => (tool === "apply_patch" ? "gpt-5-stand-in" : "stand-in");

function withoutTimes({ time: _time, attachments, ...state }) {
  if (!attachments) return state;
  return { ...state, attachments: attachments.map(({ id: _1, sessionID: _2, messageID: _3, ...rest }) => rest) };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
