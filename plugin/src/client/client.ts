// `connect`, and the part of the interface that belongs to no session.

import { release, results } from "../capnp/answer.ts";
import { type Handle$Client, SessionListener } from "../capnp/generated/sandbox-rpc.ts";
import { Connection } from "./connection.ts";
import { serverInfo, sessionEvent, sessionInfo } from "./convert.ts";
import { SessionHandle } from "./session.ts";
import type {
  CallOptions, ConnectOptions, ConnectionState, SandboxClient, SandboxSession, ServerInfo, SessionEvent, SessionInfo,
  SessionOptions, Watch,
} from "./types.ts";

/**
 * Opens a connection to a bridge and keeps it open until `close`. Returns at once and never throws: calls wait for
 * the connection, and say what is wrong when there is none.
 *
 *     await using client = connect();
 *     const session = client.session("my-task");
 *     await session.files.write("hello.txt", "hello\n");
 *     const { stdout } = await session.run(["cat", "hello.txt"]);
 */
export function connect(options: ConnectOptions = {}): SandboxClient {
  return new Client(new Connection(options));
}

class Client implements SandboxClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }
  get url(): string {
    return this.#connection.url;
  }
  get state(): ConnectionState {
    return this.#connection.state;
  }
  onState(listener: (state: ConnectionState) => void): () => void {
    return this.#connection.onState(listener);
  }

  session(id: string, options: SessionOptions = {}): SandboxSession {
    return new SessionHandle(this.#connection, id, options);
  }

  sessions({ signal }: CallOptions = {}): Promise<SessionInfo[]> {
    return this.#connection.use(async ({ api }) => {
      const { sessions } = await results(api.sessions(), signal);
      return [...sessions].map((info) => sessionInfo(info));
    }, { signal, repeatable: true });
  }

  hello({ signal }: CallOptions = {}): Promise<ServerInfo> {
    return this.#connection.use(async ({ api }) => serverInfo((await results(api.hello(), signal)).server),
      { signal, repeatable: true });
  }

  async ping({ signal }: CallOptions = {}): Promise<void> {
    await this.#connection.use(({ api }) => results(api.ping(), signal), { signal, repeatable: true });
  }

  watch(listener: (event: SessionEvent) => void, onError?: (error: unknown) => void): Watch {
    const server = new SessionListener.Server({
      async event(params) {
        const event = sessionEvent(params.event);
        if (event) listener(event);
      },
    });
    let handle: Handle$Client | undefined;
    const unlisten = this.#connection.onLink(({ api, vat }) => {
      const watching = api.watch((p) => {
        p.listener = server.client();
      });
      handle = watching.getHandle();
      watching.promise().catch((error: unknown) => {
        // When the connection has ended, the next one brings another watch.
        if (!vat.closed) onError?.(error);
      });
    });
    const close = (): void => {
      unlisten();
      if (handle) release(handle);
      handle = undefined;
    };
    return { close, [Symbol.dispose]: close };
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
