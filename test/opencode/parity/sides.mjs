// The two installations that are compared: OpenCode with its own tools in /workspace of a copy-on-write view of this
// machine, and OpenCode with the plugin, whose /workspace is in a sandbox. Each has one machine for all cases, and for each
// case a session of its own.
import { chmodSync, closeSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../processes.mjs";
import { binary, opencode, World } from "../world.mjs";

const VIEW = fileURLToPath(new URL("host-view.sh", import.meta.url));
/** Everything is asked about, so that each question is seen. */
const ASK = { "*": "ask" };
const COMMAND_MS = 120_000;

class Side {
  async newSession() {
    return (await this.opencode.request("POST", "/session", { parentID: this.root })).id;
  }

  /** Runs a shell script on the side's machine, in the home directory, and returns what it printed. */
  async run(script, input) {
    const [command, ...args] = this.command("sh", "-c", script);
    const { code, stdout, stderr } = await run(command, args, { env: this.world.env, input, timeoutMs: COMMAND_MS });
    if (code !== 0) throw new Error(`${script.slice(0, 200)} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async stop() {
    await this.world.stop();
  }
}

/** OpenCode's own tools. */
export class HostSide extends Side {
  static async start() {
    const side = new HostSide();
    const world = (side.world = await World.start({ bridge: false, serve: false }));
    try {
      mkdirSync(join(world.directory, "view"));
      const command = join(world.directory, "opencode-in-view");
      writeFileSync(command, `#!/bin/sh\nexec ${VIEW} ${world.directory} ${opencode} "$@"\n`);
      chmodSync(command, 0o755);
      // As in a sandbox: the view's own, whatever happens to it.
      Object.assign(world.env, { HOME: "/root", SHELL: "/bin/bash" });
      await world.useOpenCode({ pluginPath: null, config: { permission: ASK, lsp: false, snapshot: false }, command });
      side.opencode = world.opencode;
      side.root = await side.opencode.newSession();
    } catch (error) {
      await side.stop();
      throw error;
    }
    return side;
  }

  // It looks for one of its own when it starts, and has found this machine's.
  async hideRipgrep() {}
  async showRipgrep() {}

  command(...argv) {
    return ["nsenter", "--target", String(this.opencode.child.pid), "--mount", "--root", "--wd", ...argv];
  }
}

/** The plugin's tools. */
export class SandboxSide extends Side {
  static async start() {
    const side = new SandboxSide();
    side.world = await World.start({ options: { permission: ASK }, config: { lsp: false } });
    try {
      side.opencode = side.world.opencode;
      side.root = await side.opencode.newSession();
    } catch (error) {
      await side.stop();
      throw error;
    }
    return side;
  }

  async hideRipgrep() {
    await this.run("mv /usr/bin/rg /usr/bin/hidden-rg && ! command -v rg");
  }
  async showRipgrep() {
    await this.run("mv /usr/bin/hidden-rg /usr/bin/rg");
  }

  command(...argv) {
    return [binary, "exec", "--session", this.root, "--", ...argv];
  }
}

/** What OpenCode sends to the model, read as it is written. */
export class RequestLog {
  constructor(path) {
    this.path = path;
    this.offset = 0;
  }

  /** The requests since the last call. */
  next() {
    const size = statSync(this.path).size;
    const bytes = Buffer.alloc(size - this.offset);
    const fd = openSync(this.path, "r");
    readSync(fd, bytes, 0, bytes.length, this.offset);
    closeSync(fd);
    this.offset = size;
    return bytes.toString("utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }
}
