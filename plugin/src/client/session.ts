// A session's handle. It holds the session's key; the capabilities that it has on the present connection are only a cache.

import { results } from "../capnp/answer.ts";
import type {
  Files$Client, Processes$Client, Session$Client, SessionKey, Tools$Client,
} from "../capnp/generated/sandbox-rpc.ts";
import { count } from "./bytes.ts";
import type { Attempt, Connection, Link } from "./connection.ts";
import { sessionInfo } from "./convert.ts";
import { exec, run } from "./exec.ts";
import { sessionFiles } from "./files.ts";
import { callTool } from "./tools.ts";
import type {
  CallOptions, ExecOptions, ExitStatus, RunOptions, RunResult, SandboxSession, SessionFiles, SessionInfo, SessionOptions,
  SessionTools,
} from "./types.ts";

/** A session's capabilities on one connection. */
export interface SessionCapabilities {
  readonly link: Link;
  readonly session: Session$Client;
  readonly tools: Tools$Client;
  readonly files: Files$Client;
  readonly processes: Processes$Client;
}

/** Does work with a session's capabilities, on the present connection or the next. */
export type UseSession = <T>(
  work: (capabilities: SessionCapabilities) => Promise<T>, attempt?: Attempt,
) => Promise<T>;

export class SessionHandle implements SandboxSession {
  readonly id: string;
  readonly root: string;
  readonly tools: SessionTools;
  readonly files: SessionFiles;
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  #capabilities: SessionCapabilities | undefined;

  constructor(connection: Connection, id: string, options: SessionOptions) {
    this.id = id;
    this.root = options.root || id;
    this.#connection = connection;
    this.#options = options;
    this.files = sessionFiles(this.#use);
    this.tools = { call: (name, args, callOptions) => callTool(this.#use, name, args, callOptions) };
  }

  prepare({ signal }: CallOptions = {}): Promise<SessionInfo> {
    return this.#use(async ({ session }) => sessionInfo((await results(session.prepare(), signal)).info),
      { signal, repeatable: true });
  }

  info({ signal }: CallOptions = {}): Promise<SessionInfo> {
    return this.#use(async ({ session }) => sessionInfo((await results(session.info(), signal)).info),
      { signal, repeatable: true });
  }

  exec(command: string | readonly string[], options: ExecOptions = {}): Promise<ExitStatus> {
    return exec(this.#use, command, options);
  }

  run(command: string | readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(this.#use, command, options);
  }

  async suspend({ signal }: CallOptions = {}): Promise<void> {
    await this.#use(({ session }) => results(session.suspend(), signal), { signal, repeatable: true });
  }

  async destroy({ signal }: CallOptions = {}): Promise<void> {
    await this.#use(({ session }) => results(session.destroy(), signal), { signal, repeatable: true });
    // What comes after is another sandbox.
    this.#capabilities = undefined;
  }

  readonly #use: UseSession = (work, attempt) =>
    this.#connection.use((link) => work(this.#on(link)), attempt);

  #on(link: Link): SessionCapabilities {
    if (this.#capabilities?.link === link) return this.#capabilities;
    const session = link.api.session((p) => {
      this.#writeKey(p._initKey());
      const sandbox = this.#options.sandbox;
      if (!sandbox) return;
      const out = p._initOptions();
      if (sandbox.image !== undefined) out.image = sandbox.image;
      if (sandbox.cpus !== undefined) out.cpus = sandbox.cpus;
      if (sandbox.memoryMb !== undefined) out.memoryMb = count("memoryMb", sandbox.memoryMb, 0xffffffff);
      if (sandbox.diskMb !== undefined) out.diskMb = count("diskMb", sandbox.diskMb, 0xffffffff);
      if (sandbox.timeoutSecs !== undefined) out.timeoutSecs = count("timeoutSecs", sandbox.timeoutSecs, 0xffffffff);
    }).getSession();
    return (this.#capabilities = {
      link,
      session,
      tools: session.tools((p) => {
        p._initOptions().diagnostics = this.#options.diagnostics ?? true;
      }).getTools(),
      files: session.files().getFiles(),
      processes: session.processes().getProcesses(),
    });
  }

  #writeKey(key: SessionKey): void {
    key.id = this.id;
    if (this.root !== this.id) key.root = this.root;
  }
}
