// The part of OpenCode's generated client that sends requests for which it has no method.
import type { PluginInput } from "@opencode-ai/plugin";

export interface RawClient {
  get(request: { url: string; signal: AbortSignal }): Promise<{ data?: unknown; error?: unknown }>;
  patch(request: {
    url: string;
    path: Record<string, string>;
    body: unknown;
    headers: Record<string, string>;
    signal: AbortSignal;
  }): Promise<{ error?: unknown }>;
}

/** Nothing, where a version of OpenCode has another client. */
export function rawClient(client: PluginInput["client"]): RawClient | undefined {
  return (client as unknown as { _client?: RawClient })._client;
}
