// What harness scripts and the OpenCode plugin see of the bridge. Implemented by client.ts; `connect` makes one.
//
// Every call that needs the bridge fails with an `RpcError` (its `kind` says whether a retry is safe), or with the
// reason of the caller's own AbortSignal. While the bridge is away, calls wait for it for `connectTimeoutMs` and then
// fail with kind `unavailable`. A call that was on its way when the connection broke fails with `interrupted`: it may have
// been carried out, and is not repeated.

export interface ConnectOptions {
  /** The bridge's RPC address. Default: `SANDBRIDGE_URL`, else `ws://127.0.0.1:8787/rpc`. */
  url?: string | undefined;
  /** The bridge's token. Default: `SANDBRIDGE_TOKEN`, else what `tokenFile` holds. */
  token?: string | undefined;
  /**
   * Where the token is, read again before each connection, so that a bridge may be started after its client. Default:
   * `SANDBRIDGE_TOKEN_FILE`, else `$XDG_STATE_HOME/sandbridge/token` (`~/.local/state/sandbridge/token`).
   */
  tokenFile?: string | undefined;
  /** Who calls, for the bridge's log. Default `opencode-sandbridge`. */
  name?: string | undefined;
  /** How long a call waits for a connection before it fails with `unavailable`, in ms. Default 10000. */
  connectTimeoutMs?: number | undefined;
  /** How often the connection is tried out, in ms. Default 20000. */
  pingIntervalMs?: number | undefined;
  /** How long the answer to such a ping may take before the connection counts as dead, in ms. Default 10000. */
  pingTimeoutMs?: number | undefined;
  /** Told of each change of the connection's state, beginning with `connecting`. Must not throw. */
  onState?: ((state: ConnectionState) => void) | undefined;
}

/**
 * - `connecting`: the first attempt is under way.
 * - `connected`: calls go through. `again` tells a reconnection from the first connection.
 * - `disconnected`: with the reason, a sentence for people. Attempts go on, at most 5 s apart.
 * - `closed`: `close` was called.
 */
export type ConnectionState =
  | { readonly status: "connecting" }
  | { readonly status: "connected"; readonly again: boolean }
  | { readonly status: "disconnected"; readonly reason: string }
  | { readonly status: "closed" };

export interface CallOptions {
  /** Ends the call: the bridge stops what it does for it, and the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface SandboxClient extends AsyncDisposable {
  /** The bridge's address. */
  readonly url: string;
  /** The connection's present state. */
  readonly state: ConnectionState;

  /** Calls `listener` on each later change of state until the returned function is called. */
  onState(listener: (state: ConnectionState) => void): () => void;

  /**
   * The session with this id. Does no I/O, never fails, and stays good across reconnections: it holds the key, not the
   * connection. Equal root ids mean the same sandbox.
   */
  session(id: string, options?: SessionOptions): SandboxSession;

  /** Every session that has a sandbox in the bridge's account. Repeated by itself when the connection breaks. */
  sessions(options?: CallOptions): Promise<SessionInfo[]>;

  /**
   * Calls `listener` on each event of any session. Established again after each reconnection (what happened in between is
   * not told). `onError` is told when the bridge refuses to be watched; there are no events then until the next connection.
   */
  watch(listener: (event: SessionEvent) => void, onError?: (error: unknown) => void): Watch;

  /** Who answers. Repeated by itself when the connection breaks. */
  hello(options?: CallOptions): Promise<ServerInfo>;

  /** Resolves when the bridge has answered. */
  ping(options?: CallOptions): Promise<void>;

  /** Ends the connection for good. Calls under way fail, which ends the commands that they run. Sandboxes stay. */
  close(): Promise<void>;
}

export interface Watch extends Disposable {
  close(): void;
}

export interface SessionOptions {
  /** The session at the top of this one's family, whose sandbox it shares. Default: the session itself. */
  root?: string | undefined;
  /** Used when the sandbox has to be created. Default: the bridge's. */
  sandbox?: SandboxOptions | undefined;
  /**
   * Whether the tools that change files tell the errors that a language server in the sandbox finds in them, which may take
   * them 1.5 s longer. Default: true.
   */
  diagnostics?: boolean | undefined;
}

export interface SandboxOptions {
  image?: string | undefined;
  cpus?: number | undefined;
  memoryMb?: number | undefined;
  diskMb?: number | undefined;
  /** Idle time after which the sandbox is suspended, in seconds. */
  timeoutSecs?: number | undefined;
}

export interface SandboxSession {
  readonly id: string;
  readonly root: string;
  readonly tools: SessionTools;
  readonly files: SessionFiles;

  /** Makes sure that the sandbox runs. Idempotent; repeated by itself when the connection breaks. */
  prepare(options?: CallOptions): Promise<SessionInfo>;

  /** What is known now. Creates and resumes nothing. */
  info(options?: CallOptions): Promise<SessionInfo>;

  /**
   * Runs a command and resolves when it has ended and its output was delivered. A string is run by `sh -c`, an array as
   * it is. Never repeated: when the outcome is unknown it fails with `interrupted`. Aborting kills the process group.
   */
  exec(command: string | readonly string[], options?: ExecOptions): Promise<ExitStatus>;

  /** As `exec`, with the output collected as text. */
  run(command: string | readonly string[], options?: RunOptions): Promise<RunResult>;

  /** Freezes the sandbox; its next use resumes it. Succeeds when there is none. */
  suspend(options?: CallOptions): Promise<void>;

  /** Deletes the sandbox and everything in it. Succeeds when there is none. */
  destroy(options?: CallOptions): Promise<void>;
}

export interface SessionTools {
  /**
   * Runs one of OpenCode's tools in the sandbox. `args` is what a model wrote, an object or its JSON text; it is checked by
   * the bridge. A tool that fails is a result with `failed` set; the promise rejects only when the call could not be made or
   * was refused. Never repeated.
   */
  call(name: string, args: object | string, options?: ToolCallOptions): Promise<ToolResult>;
}

export interface ToolCallOptions extends CallOptions {
  /** What the running command has printed since the last call. The tool waits for a returned promise. */
  onOutput?: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
  /**
   * OpenCode's permission question. Resolving allows; throwing refuses, and then the call rejects with the thrown value. Without
   * it, nothing is asked and everything is allowed.
   */
  ask?: ((question: Question) => void | Promise<void>) | undefined;
  /**
   * Ends a running command instead of the call: its process group gets SIGTERM and 3 s later SIGKILL, and the call still resolves,
   * with all that was printed until then, exit code null and OpenCode's note of it. A call of a tool that runs no command goes on;
   * one that has not reached the bridge rejects with the signal's reason.
   */
  stop?: AbortSignal | undefined;
}

export interface Question {
  /** `read`, `edit`, `glob`, `grep`, `bash` or `external_directory`. */
  readonly permission: string;
  readonly patterns: string[];
  /** What "always allow" would allow. */
  readonly always: string[];
  readonly metadata: Record<string, unknown>;
}

export interface ToolResult {
  /** Whether the tool failed: `output` is then the error text. */
  readonly failed: boolean;
  readonly title: string;
  /** What the model gets. */
  readonly output: string;
  /** What a user interface gets, in OpenCode's shape for the tool. */
  readonly metadata: Record<string, unknown>;
  readonly attachments: Attachment[];
}

export interface Attachment {
  readonly mime: string;
  readonly data: Uint8Array;
  readonly filename?: string;
}

export interface ExecOptions extends CallOptions {
  /** Absolute, or relative to the workspace. Default: the workspace. */
  workdir?: string | undefined;
  env?: Readonly<Record<string, string>> | undefined;
  /** The process group is killed after this time. Default: never. */
  timeoutMs?: number | undefined;
  /** What the command prints, as it prints it. The command waits for a returned promise. Default: discarded. */
  onStdout?: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
  /** As `onStdout`. */
  onStderr?: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
  /** Sends both streams to `onStdout`, in the order in which they were written. */
  mergeStderr?: boolean | undefined;
  /** Standard input. Default: at its end. */
  stdin?: Bytes | undefined;
}

/** Text is sent as UTF-8. */
export type Bytes = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** How a command ended: exactly one of the three is set. */
export type ExitStatus =
  | { readonly code: number; readonly signal?: undefined; readonly timeout?: undefined }
  | { readonly code?: undefined; readonly signal: number; readonly timeout?: undefined }
  | { readonly code?: undefined; readonly signal?: undefined; readonly timeout: true };

export interface RunOptions extends Omit<ExecOptions, "onStdout" | "onStderr"> {
  /** Bytes kept of each stream, from its beginning; the rest is read and dropped. Default 1048576. */
  maxOutputBytes?: number | undefined;
}

export type RunResult = ExitStatus & {
  /** Decoded as UTF-8; what is not becomes U+FFFD. */
  readonly stdout: string;
  readonly stderr: string;
  /** Whether either stream was longer than `maxOutputBytes`. */
  readonly truncated: boolean;
};

export interface SessionFiles {
  /** The whole file. Fails with `failed` when it is longer than `maxBytes` (default 64 MiB). Safe to retry. */
  read(path: string, options?: ReadOptions): Promise<Uint8Array>;
  /** The whole file as UTF-8 text; what is not UTF-8 becomes U+FFFD, and a byte order mark stays. */
  readText(path: string, options?: ReadOptions): Promise<string>;
  /** Replaces the file, making its parents. Until it resolves, the old file stays as it was. */
  write(path: string, content: Bytes, options?: CallOptions): Promise<void>;
  /** The entries of a directory, directories first, then by name. Not recursive. */
  list(path: string, options?: CallOptions): Promise<FileEntry[]>;
  /** Deletes one file; not a directory. */
  remove(path: string, options?: CallOptions): Promise<void>;
}

export interface ReadOptions extends CallOptions {
  maxBytes?: number | undefined;
}

export interface FileEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly size: number;
  readonly modifiedAt: Date;
}

export interface SessionInfo {
  /** The root session's id, where it is known (else empty). */
  readonly id: string;
  readonly sandboxName: string;
  /** Empty while there is no sandbox. */
  readonly sandboxId: string;
  /** `none`, or TensorLake's: pending, running, snapshotting, suspending, suspended, terminated. */
  readonly status: string;
  readonly createdAt: Date | undefined;
  readonly workspace: string;
}

export type SessionEventKind = "created" | "resumed" | "connected" | "lost" | "suspended" | "deleted" | "listening";

export interface SessionEvent {
  /** The root session's id. */
  readonly sessionId: string;
  readonly kind: SessionEventKind;
  /** A sentence for people. */
  readonly text: string;
  /** Of `listening`: the port that a program in the sandbox listens on. */
  readonly port?: number;
}

export interface ServerInfo {
  readonly name: string;
  readonly version: string;
  readonly backend: "local" | "tensorlake";
  /** The workspace's path in every sandbox. */
  readonly workspace: string;
  /** The names that `tools.call` knows. */
  readonly tools: string[];
}
