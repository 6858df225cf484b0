// The life of one session: random work, each step of which marks its number in a file of the sandbox. What the steps were told
// and what the file says must agree.

import { createHash } from "node:crypto";

const KINDS = new Set(["notFound", "invalidArgument", "denied", "unavailable", "interrupted", "sandboxLost", "failed"]);
const MARKS = "/workspace/marks";
const LINES = 5000;
const LINES_TEXT = Array.from({ length: LINES }, (_, i) => `${i + 1}\n`).join("");

/** A small generator with a seed, so that a run can be had again. */
export function generator(seed) {
  let state = createHash("sha256").update(seed).digest().readUInt32LE(0) || 1;
  const next = () => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state / 2 ** 32;
  };
  return { next, below: (n) => Math.floor(next() * n), of: (list) => list[Math.floor(next() * list.length)] };
}

export class Session {
  #marks = new Map(); // number -> "done" | "unknown" | "not"
  #number = 0;
  #files = new Map();

  /** @param report {problem(text), count(step, outcome, ms), open(): client, deadlineMs} */
  constructor(name, random, report) {
    this.name = name;
    this.random = random;
    this.report = report;
    this.client = report.open();
    this.session = this.client.session(name);
  }

  /** Runs steps until there are enough, or `until()` says so, and leaves no sandbox. */
  async live(steps, until) {
    const { random } = this;
    try {
      for (let i = 0; i < steps && !until(); i++) await this[random.of(STEPS)]();
      await this.#check();
      await this.#step("destroy", () => this.session.destroy());
    } finally {
      await this.client.close();
    }
  }

  /** One call: its end, or a complaint that it has none. Returns whether it was carried out: "done", "not" or "unknown". */
  async #step(name, work) {
    const started = performance.now();
    const key = `${this.name} ${name}`;
    this.report.underWay.set(key, started);
    let timer;
    const late = Symbol();
    const deadline = new Promise((resolve) => {
      timer = setTimeout(resolve, this.report.deadlineMs, late);
    });
    const outcome = await Promise.race([Promise.resolve().then(work).then(() => "done", (error) => this.#judge(name, error)), deadline]);
    clearTimeout(timer);
    this.report.underWay.delete(key);
    if (outcome === late) this.report.problem(`${this.name}: ${name} did not end within ${this.report.deadlineMs} ms`);
    this.report.count(name, outcome === late ? "hung" : outcome, performance.now() - started);
    return outcome === "done" ? "done" : outcome === "unavailable" ? "not" : "unknown";
  }

  #judge(name, error) {
    if (error instanceof Abort) return "aborted";
    if (error?.name !== "RpcError" || !KINDS.has(error.kind)) {
      this.report.problem(`${this.name}: ${name} failed with what is no documented error: ${error?.stack ?? error}`);
      return "other";
    }
    const sentence = /^\S.{5,600}$/.test(error.message) && !/kj\/|\.c\+\+|stack:|undefined|\[object/.test(error.message);
    if (!sentence) this.report.problem(`${this.name}: ${name}: "${error.message}" is no sentence for people`);
    if (error.kind === "failed" || error.kind === "notFound") this.report.example(`${name}: ${error.kind}: ${error.message}`);
    if (error.kind === "sandboxLost") this.report.problem(`${this.name}: ${name}: nobody took the sandbox away: ${error.message}`);
    return error.kind;
  }

  /** A step whose command marks a number of its own. `command` follows the marking. */
  async #marking(name, work) {
    const number = String(++this.#number);
    // One write of a few bytes with O_APPEND: never torn.
    const mark = `echo ${number} >> ${MARKS}`;
    const outcome = await this.#step(name, () => work(mark, number));
    this.#marks.set(number, outcome);
  }

  async bash() {
    await this.#marking("bash", async (mark, number) => {
      const result = await this.session.tools.call("bash", { command: `${mark}; echo out ${number}` });
      if (result.failed) throw Object.assign(new Error(result.output), { name: "RpcError", kind: "failed" });
      if (!result.output.includes(`out ${number}`)) this.report.problem(`${this.name}: bash answered ${JSON.stringify(result.output)}`);
    });
  }

  async stream() {
    await this.#marking("stream", async (mark) => {
      const result = await this.session.run(`${mark}; seq ${LINES}; exit 3`, { maxOutputBytes: 1 << 22 });
      if (result.code !== 3 || result.stdout !== LINES_TEXT) {
        this.report.problem(`${this.name}: a stream ended with ${result.code ?? result.signal} and ${result.stdout.length} of ${LINES_TEXT.length} bytes`);
      }
    });
  }

  async stdin() {
    await this.#marking("stdin", async (mark) => {
      const result = await this.session.run(`${mark}; cat`, { stdin: "one\ntwo" });
      if (result.stdout !== "one\ntwo") this.report.problem(`${this.name}: cat answered ${JSON.stringify(result.stdout)}`);
    });
  }

  async write() {
    const path = `file-${this.random.below(3)}.txt`;
    const text = `${this.#number}:${this.random.next()}\n`.repeat(1 + this.random.below(2000));
    const outcome = await this.#step("write", () => this.session.files.write(path, text));
    if (outcome === "done") this.#files.set(path, [text]);
    else if (outcome === "unknown") this.#files.set(path, [...(this.#files.get(path) ?? [undefined]), text]);
  }

  async read() {
    const path = `file-${this.random.below(3)}.txt`;
    const expected = this.#files.get(path) ?? [undefined];
    await this.#step("read", async () => {
      let text;
      try {
        text = await this.session.files.readText(path);
      } catch (error) {
        if (error?.kind !== "notFound" || !expected.includes(undefined)) throw error;
      }
      if (!expected.includes(text)) this.report.problem(`${this.name}: ${path} holds ${text?.length} bytes that were not written last`);
      this.#files.set(path, [text]);
    });
  }

  async edit() {
    await this.#step("edit", async () => {
      const path = `/workspace/edit-${++this.#number}.txt`;
      const made = await this.session.tools.call("write", { filePath: path, content: "alpha\nbeta\n" });
      if (made.failed) return;
      const result = await this.session.tools.call("edit", { filePath: path, oldString: "beta", newString: "gamma" });
      if (result.failed) return;
      const text = await this.session.files.readText(path);
      if (text !== "alpha\ngamma\n") this.report.problem(`${this.name}: an edit made ${JSON.stringify(text)}`);
    });
  }

  async cancel() {
    await this.#marking("cancel", async (mark) => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(new Abort()), 20 + this.random.below(300));
      await this.session.run(`${mark}; sleep 45`, { signal: stop.signal });
    });
  }

  async disconnect() {
    await this.#marking("disconnect", async (mark) => {
      const { client } = this;
      const running = this.session.run(`${mark}; sleep 45`);
      setTimeout(() => void client.close(), 20 + this.random.below(300));
      try {
        await running;
      } catch (error) {
        // Closing by oneself is no failure of the bridge.
        throw error?.kind === "unavailable" ? error : new Abort();
      } finally {
        await client.close();
        this.client = this.report.open();
        this.session = this.client.session(this.name);
      }
    });
  }

  async suspend() {
    await this.#step("suspend", () => this.session.suspend());
  }

  async destroy() {
    await this.#check();
    await this.#step("destroy", () => this.session.destroy());
    // Whether it was destroyed or not: what stands in the old sandbox is not asked for again.
    for (;;) {
      if (await this.#step("destroy", () => this.session.destroy()) === "done") break;
    }
    this.#marks.clear();
    this.#files.clear();
  }

  /** Compares what the sandbox says with what we were told. */
  async #check() {
    if (this.#marks.size === 0) return;
    let text;
    for (let attempts = 0; text === undefined && attempts < 10; attempts++) {
      await this.#step("check", async () => {
        try {
          text = await this.session.files.readText(MARKS);
        } catch (error) {
          if (error?.kind !== "notFound") throw error;
          text = "";
        }
      });
    }
    if (text === undefined) {
      this.report.problem(`${this.name}: its marks could not be read in ten attempts`);
      return;
    }
    const counts = new Map();
    for (const number of text.split("\n").filter(Boolean)) counts.set(number, (counts.get(number) ?? 0) + 1);
    for (const [number, outcome] of this.#marks) {
      const count = counts.get(number) ?? 0;
      counts.delete(number);
      this.report.effect(count);
      if (count > 1) this.report.problem(`${this.name}: command ${number} ran ${count} times`);
      if (count === 0 && outcome === "done") this.report.problem(`${this.name}: command ${number} answered but did not run`);
      if (count === 1 && outcome === "not") this.report.problem(`${this.name}: command ${number} ran although its failure said that nothing was done`);
    }
    if (counts.size > 0) this.report.problem(`${this.name}: marks of nobody: ${[...counts.keys()].join(" ")}`);
  }
}

class Abort extends Error {}

// More of what agents do more.
const STEPS = ["bash", "bash", "bash", "stream", "stdin", "write", "read", "read", "edit", "cancel", "disconnect", "suspend", "destroy"];
