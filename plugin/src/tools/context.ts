// What OpenCode hands to a plugin's tool, beyond what its types say.
import type { ToolContext } from "@opencode-ai/plugin";

export interface CallContext extends Omit<ToolContext, "metadata"> {
  /** Not in OpenCode's types, but always there in 1.18. */
  readonly callID?: string;
  /** 1.18 returns an Effect that nobody runs; a later version may do what its type says, nothing returned. */
  metadata(update: { title?: string; metadata?: Record<string, unknown> }): unknown;
}

/** What a tool returns to OpenCode. */
export interface CallResult {
  title: string;
  output: string;
  metadata: Record<string, unknown>;
  attachments?: { type: "file"; mime: string; url: string; filename?: string }[];
}
