// The two installations that are compared: OpenCode with its own tools in /workspace of a copy-on-write view of this
// machine, and OpenCode with the plugin, whose /workspace is in the session's sandbox.
import { writeFileSync, chmodSync, mkdirSync, openSync, readSync, statSync, closeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../processes.mjs";
import { binary, opencode, World } from "../world.mjs";

const VIEW = fileURLToPath(new URL("host-view.sh", import.meta.url));
/** Everything is asked about, so that each question is seen. */
const ASK = { "*": "ask" };
const COMMAND_MS = 120_000;

/** OpenCode's own tools. */
export class HostSide {
  static async start() {
    const side = new HostSide();
    side.world = await World.start({ bridge: false, serve: false });
    try {
      const { world } = side;
      mkdirSync(join(world.directory, "view"));
      const command = join(world.directory, "opencode-in-view");
      writeFileSync(command, `#!/bin/sh\nexec ${VIEW} ${world.directory} ${opencode} "$@"\n`);
      chmodSync(command, 0o755);
      // As in a sandbox: the view's own, whatever happens to it.
      Object.assign(world.env, { HOME: "/root", SHELL: "/bin/bash" });
      await world.useOpenCode({ pluginPath: null, config: { permission: ASK, lsp: false, snapshot: false }, command });
      side.opencode = world.opencode;
    } catch (error) {
      await side.stop();
      throw error;
    }
    return side;
  }

  /** Runs a shell script in /workspace. `session` is of no matter here: there is one machine. */
  async run(_session, script, input) {
    const pid = String(this.opencode.child.pid);
    const args = ["--target", pid, "--mount", "--root", "--wd", "sh", "-c", script];
    return checked(await run("nsenter", args, { env: this.world.env, input, timeoutMs: COMMAND_MS }), script);
  }

  /** An empty repository again. */
  async clear() {
    await this.run("", "rm -rf /outside*; find /workspace -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +");
  }

  async finish() {}

  async stop() {
    await this.world.stop();
  }
}

/** The plugin's tools. */
export class SandboxSide {
  static async start() {
    const side = new SandboxSide();
    side.world = await World.start({ options: { permission: ASK } });
    side.opencode = side.world.opencode;
    return side;
  }

  async run(session, script, input) {
    const args = ["exec", "--session", session, "--", "sh", "-c", script];
    const { world } = this;
    return checked(await run(binary, args, { env: world.env, input, timeoutMs: COMMAND_MS }), script);
  }

  async clear() {}

  async finish(session) {
    await this.world.sandbridge("delete", "--session", session);
  }

  async stop() {
    await this.world.stop();
  }
}

function checked({ code, stdout, stderr }, script) {
  if (code !== 0) throw new Error(`${script.slice(0, 200)} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
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
