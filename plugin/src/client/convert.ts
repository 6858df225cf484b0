// Between the schema's structs and the client's types.

import { RpcError } from "../capnp/errors.ts";
import {
  type ExitStatus as WireStatus, ExitStatus_Which, ServerInfo_Backend, SessionEvent_Kind, type ServerInfo as WireServer,
  type SessionEvent as WireEvent, type SessionInfo as WireInfo, type ToolResult as WireResult,
} from "../capnp/generated/sandbox-rpc.ts";
import type {
  Attachment, ExitStatus, ServerInfo, SessionEvent, SessionEventKind, SessionInfo, ToolResult,
} from "./types.ts";

export function sessionInfo(info: WireInfo): SessionInfo {
  return {
    id: info.id,
    sandboxName: info.sandboxName,
    sandboxId: info.sandboxId,
    status: info.status,
    createdAt: info.createdAt === 0n ? undefined : new Date(Number(info.createdAt)),
    workspace: info.workspace,
  };
}

const EVENT_KINDS: Readonly<Record<number, SessionEventKind>> = {
  [SessionEvent_Kind.CREATED]: "created",
  [SessionEvent_Kind.RESUMED]: "resumed",
  [SessionEvent_Kind.CONNECTED]: "connected",
  [SessionEvent_Kind.LOST]: "lost",
  [SessionEvent_Kind.SUSPENDED]: "suspended",
  [SessionEvent_Kind.DELETED]: "deleted",
  [SessionEvent_Kind.LISTENING]: "listening",
};

/** Undefined for a kind that a later version of the bridge has added. */
export function sessionEvent(event: WireEvent): SessionEvent | undefined {
  const kind = EVENT_KINDS[event.kind];
  return kind && { sessionId: event.sessionId, kind, text: event.text, ...(kind === "listening" && { port: event.port }) };
}

export function serverInfo(info: WireServer): ServerInfo {
  return {
    name: info.name,
    version: info.version,
    backend: info.backend === ServerInfo_Backend.LOCAL ? "local" : "tensorlake",
    workspace: info.workspace,
    tools: [...info.tools],
  };
}

export function exitStatus(status: WireStatus): ExitStatus {
  switch (status.which()) {
    case ExitStatus_Which.CODE:
      return { code: status.code };
    case ExitStatus_Which.SIGNAL:
      return { signal: status.signal };
    case ExitStatus_Which.TIMEOUT:
      return { timeout: true };
    default:
      throw new RpcError("failed", "the command ended in a way that is not known here");
  }
}

export function toolResult(result: WireResult): ToolResult {
  return {
    failed: result.failed,
    title: result.title,
    output: result.output,
    metadata: jsonObject(result.metadata),
    attachments: [...result.attachments].map((attachment): Attachment => {
      const { mime, filename } = attachment;
      // A copy: the message is as long as all attachments together.
      const data = attachment.data.toUint8Array().slice();
      return filename ? { mime, data, filename } : { mime, data };
    }),
  };
}

/** The object in a JSON text of the bridge's; an empty text is an empty object. */
export function jsonObject(text: string): Record<string, unknown> {
  if (text === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RpcError("failed", "the bridge sent metadata that is not a JSON object");
  }
  return value as Record<string, unknown>;
}
