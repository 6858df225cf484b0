// `opencode-sandbridge/client`: the bridge's interface for TypeScript, in Node 20 or later and in Bun.
export { connect } from "./client.ts";
export { RpcError, type ErrorKind, type ErrorType } from "../capnp/errors.ts";
export type * from "./types.ts";
