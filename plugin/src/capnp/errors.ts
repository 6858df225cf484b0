// The failures of calls. schema/sandbox-rpc.capnp says what each kind means.

export type ErrorKind =
  | "notFound"
  | "invalidArgument"
  | "denied"
  | "unavailable"
  | "interrupted"
  | "sandboxLost"
  | "failed";

export type ErrorType = "failed" | "overloaded" | "disconnected" | "unimplemented";

const KINDS: ReadonlySet<string> = new Set<ErrorKind>([
  "notFound", "invalidArgument", "denied", "unavailable", "interrupted", "sandboxLost", "failed",
]);

/** In the order of the numbers on the wire. */
export const ERROR_TYPES: readonly ErrorType[] = ["failed", "overloaded", "disconnected", "unimplemented"];

/** A call that failed at the bridge, on the way there, or before it left. `message` is a sentence for people. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** Whether it may be tried again: only `unavailable` promises that nothing was done. */
  readonly kind: ErrorKind;
  /** Cap'n Proto's own, coarser classification. */
  readonly type: ErrorType;

  constructor(kind: ErrorKind, message: string, type: ErrorType = kind === "unavailable" ? "overloaded" : "failed") {
    super(message);
    this.kind = kind;
    this.type = type;
  }

  /** From an exception's text on the wire, "<kind>: <sentence>". */
  static fromWire(reason: string, type: ErrorType): RpcError {
    // The C++ library puts this before what it passes on from another connection, once for each.
    const text = reason.replace(/^(remote exception: )+/, "");
    const colon = text.indexOf(": ");
    const word = text.slice(0, colon);
    if (colon > 0 && KINDS.has(word)) return new RpcError(word as ErrorKind, text.slice(colon + 2), type);
    return new RpcError(kindOfType(type), text, type);
  }
}

/** For calls that are made on a connection that has ended: those have certainly not been carried out. */
export function unavailable(closed: RpcError): RpcError {
  return new RpcError("unavailable", closed.message, "disconnected");
}

/** The text that an error of ours has on the wire. */
export function toWire(error: unknown): { reason: string; type: ErrorType } {
  if (error instanceof RpcError) return { reason: `${error.kind}: ${error.message}`, type: error.type };
  return { reason: `failed: ${error instanceof Error ? error.message : String(error)}`, type: "failed" };
}

function kindOfType(type: ErrorType): ErrorKind {
  switch (type) {
    case "overloaded":
      return "unavailable";
    case "disconnected":
      return "interrupted";
    default:
      return "failed";
  }
}
