// Where the bridge is and what opens it, from options, environment and files.

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { RpcError } from "../capnp/errors.ts";
import type { ConnectOptions } from "./types.ts";

const DEFAULT_URL = "ws://127.0.0.1:8787/rpc";

/** The bridge's address in full. Throws an RpcError for one that cannot be an address. */
export function bridgeUrl(options: ConnectOptions): string {
  const given = options.url || process.env["SANDBRIDGE_URL"] || DEFAULT_URL;
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new RpcError("invalidArgument", `${given} is not a bridge's address, which looks like ${DEFAULT_URL}`);
  }
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new RpcError("invalidArgument", `${given} is not a bridge's address, which looks like ${DEFAULT_URL}`);
  }
  if (url.username || url.password) {
    throw new RpcError("invalidArgument", "a bridge's address holds no user name or password; set SANDBRIDGE_TOKEN");
  }
  if (url.pathname === "/") url.pathname = "/rpc";
  url.hash = "";
  return url.href;
}

export interface Token {
  readonly value: string;
  /** Where it comes from, for error texts. */
  readonly source: string;
}

/** The token as it is now. A file that is not there is the sentence why there is none. */
export async function readToken(options: ConnectOptions): Promise<Token | string> {
  const environment = process.env["SANDBRIDGE_TOKEN"];
  let token: Token;
  if (options.token) token = { value: options.token, source: "the `token` option" };
  else if (!options.tokenFile && environment) token = { value: environment, source: "SANDBRIDGE_TOKEN" };
  else {
    const file = options.tokenFile || process.env["SANDBRIDGE_TOKEN_FILE"] || defaultTokenFile();
    try {
      token = { value: (await readFile(file, "utf8")).trim(), source: shown(file) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      return code === "ENOENT"
        ? `its token file ${shown(file)} is not there`
        : `its token file ${shown(file)} cannot be read (${code})`;
    }
  }
  // Anything else is no HTTP header, and no token of a bridge.
  if (!/^[\x21-\x7e]+$/.test(token.value)) return `${token.source} does not hold a bridge's token`;
  return token;
}

/** For error texts, which a model may read: it has no use for the name of the user's home. */
function shown(file: string): string {
  const home = homedir();
  return file.startsWith(`${home}/`) ? `~${file.slice(home.length)}` : file;
}

function defaultTokenFile(): string {
  const state = process.env["XDG_STATE_HOME"] || join(homedir(), ".local", "state");
  return join(state, "sandbridge", "token");
}
