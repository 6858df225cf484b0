// A whole installation for one test file: scripted model, bridge with local sandboxes, and OpenCode with fresh folders of its own. Nothing
// outside of its temporary directory is read or changed, and every port is the system's choice.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OpenCode } from "./opencode.mjs";
import { Child, run } from "./processes.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const binary = process.env.SANDBRIDGE_BINARY ?? join(root, "build/sandbridge");
export const opencode =
  process.env.OPENCODE_COMMAND ?? join(root, "examples/opencode/node_modules/.bin/opencode");
export const plugin = join(root, "plugin");

/** The configuration that README.md tells people to use. */
export function readmeConfig() {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  return JSON.parse(/<!-- opencode\.json -->\n```json\n([\s\S]*?)```/.exec(readme)[1]);
}

export class World {
  /**
   * `options` are the plugin's; `pluginPath` stands for the plugin itself; `bridge: false` starts none, though the plugin looks
   * for one; `config` is added to README.md's configuration. With `front`, the bridge runs OpenCode itself, with its own options.
   */
  static async start({ options = {}, pluginPath = plugin, bridge = true, config = {}, serve = true, front = false } = {}) {
    const world = new World();
    try {
      await world.#begin({ options, pluginPath, bridge, config, serve, front });
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "sandbridge-e2e-"));
    this.host = this.#folder("host");
    this.requestLog = join(this.directory, "requests.jsonl");
    this.tokenFile = join(this.directory, "token");
    writeFileSync(this.requestLog, "");
    const inherited = ["PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS"];
    this.env = {
      ...Object.fromEntries(inherited.filter((name) => name in process.env).map((name) => [name, process.env[name]])),
      HOME: this.#folder("home"),
      XDG_CONFIG_HOME: this.#folder("config"),
      XDG_DATA_HOME: this.#folder("data"),
      XDG_CACHE_HOME: this.#folder("cache"),
      XDG_STATE_HOME: this.#folder("state"),
      OPENCODE_CONFIG: join(this.directory, "opencode.json"),
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
      OPENCODE_DISABLE_TERMINAL_TITLE: "1",
      OPENCODE_DISABLE_SHARE: "1",
      SANDBRIDGE_TOKEN_FILE: this.tokenFile,
    };
    this.#preventInstallation();
  }

  #folder(name) {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** OpenCode installs its plugin package into its configuration folder, unless these three say that it is there. */
  #preventInstallation() {
    const folder = join(this.env.XDG_CONFIG_HOME, "opencode");
    const dependencies = { "@opencode-ai/plugin": "*" };
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies }));
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: { "": { dependencies } } }));
  }

  async #begin({ options, pluginPath, bridge, config, serve, front }) {
    const model = new URL("../../examples/opencode/scripted-model.mjs", import.meta.url);
    const arguments_ = [fileURLToPath(model), "--port", "0", "--log", this.requestLog];
    this.model = await Child.start(process.execPath, arguments_, {
      env: this.env,
      ready: /^listening \d+ (http:.*)$/,
      name: "scripted model",
    });
    if (front) return await this.#startFront();
    if (bridge) {
      await this.startBridge();
    } else {
      writeFileSync(this.tokenFile, "0".repeat(64));
      this.env.SANDBRIDGE_URL = "ws://127.0.0.1:9/rpc"; // the discard port, where nothing listens
    }
    if (serve) await this.useOpenCode({ options, pluginPath, config });
  }

  /** Configures and starts OpenCode (by `command`); `start` does it unless `serve` is false. */
  async useOpenCode({ options = {}, pluginPath = plugin, config = {}, command = opencode }) {
    this.#configure({ options, pluginPath, config });
    this.opencode = await OpenCode.start(command, this);
  }

  /** Starts a bridge with an OpenCode of its own behind it, which `opencode` then talks to through the bridge's address. */
  async #startFront() {
    this.#configure({ config: {} });
    await this.startBridge("--opencode", "--opencode-command", opencode, "--plugin", plugin);
    this.opencode = await OpenCode.at(`http://${this.bridgeAddress}`, this.bridge);
  }

  /** Without `pluginPath`, for a bridge's OpenCode: the bridge adds the plugin and its rules. */
  #configure({ options, pluginPath, config }) {
    const readme = readmeConfig();
    const modalities = { input: ["text", "image"], output: ["text"] };
    const models = { tool_call: true, attachment: true, modalities, limit: { context: 100_000, output: 8_000 } };
    writeFileSync(
      this.env.OPENCODE_CONFIG,
      JSON.stringify({
        ...(pluginPath && { ...readme, plugin: [[pluginPath, options]] }),
        ...config,
        autoupdate: false,
        share: "disabled",
        model: "scripted/stand-in",
        small_model: "scripted/stand-in",
        enabled_providers: ["scripted"],
        provider: {
          scripted: {
            npm: "@ai-sdk/openai-compatible",
            name: "Scripted stand-in",
            options: { baseURL: this.model.match[1], apiKey: "none" },
            // OpenCode gives models named gpt-5 apply_patch in place of edit and write.
            models: { "stand-in": { name: "one", ...models }, "gpt-5-stand-in": { name: "other", ...models } },
          },
        },
      }),
    );
  }

  /** Starts the bridge, or starts it again on the same address over the same sandboxes. */
  async startBridge(...more) {
    const address = this.bridgeAddress ?? "127.0.0.1:0";
    const local = join(this.directory, "local");
    this.bridge = await Child.start(
      binary,
      ["serve", "--listen", address, "--local", local, "--token-file", this.tokenFile, ...more],
      { env: this.env, ready: /^sandbridge ready ws:\/\/([^/]+)\/rpc/, name: "bridge", timeoutMs: 60_000 },
    );
    this.bridgeAddress = this.bridge.match[1];
    this.env.SANDBRIDGE_URL = `ws://${this.bridgeAddress}/rpc`;
  }

  /** The command-line client, which sees what OpenCode did in a session's sandbox. */
  async sandbridge(...args) {
    return await run(binary, args, { env: this.env });
  }

  /** Runs a shell command in the session's sandbox and returns what it printed. */
  async inSandbox(session, command) {
    const { code, stdout, stderr } = await this.sandbridge("exec", "--session", session, "--", "sh", "-c", command);
    if (code !== 0) throw new Error(`in the sandbox, ${command} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** `opencode run`, with the prompt on standard input; its lines as objects. */
  async opencodeRun(prompt, ...args) {
    const result = await run(opencode, ["run", "--format", "json", ...args], {
      env: this.env,
      cwd: this.host,
      input: prompt,
    });
    const events = result.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    return { ...result, events };
  }

  /** What OpenCode sent to the model. */
  requests() {
    return readFileSync(this.requestLog, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  /** What stands in the directory that OpenCode runs in: nothing, unless a tool acted on the host. */
  hostFiles() {
    return readdirSync(this.host);
  }

  async stop() {
    await this.opencode?.stop();
    await this.removeSandboxes();
    await this.bridge?.stop();
    await this.model?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async removeSandboxes() {
    if (!this.bridge || this.bridge.process.exitCode !== null || this.bridge.process.signalCode !== null) return;
    for (const { id } of await this.sessions()) await this.sandbridge("delete", "--session", id);
  }

  /** Every session that has a sandbox. */
  async sessions() {
    const { code, stdout, stderr } = await this.sandbridge("sessions", "--json");
    if (code !== 0) throw new Error(`sandbridge sessions ended with ${code}: ${stderr}`);
    return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }
}

/** Tries `look` until it returns something true, and returns that. */
export async function eventually(what, look, timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  let found;
  while (!(found = await look())) {
    if (Date.now() > end) throw new Error(`${what}: not after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return found;
}
