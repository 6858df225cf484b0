// `tool.execute.after`: gives OpenCode a call's result whole. What a plugin's tool returns OpenCode cuts at 2000 lines and 51200
// bytes, keeps the rest on its own machine, and marks in `metadata.truncated` whether it did so. Its own tools, whose places
// ours take, see to their length and that mark by themselves. This hook comes after the cut.
import type { Hooks } from "@opencode-ai/plugin";
import { RecentMap } from "../host/recent-map.ts";
import type { CallResult } from "../tools/context.ts";

/** OpenCode 1.18.33: what a plugin's tool may return, unless the user's configuration says less. */
const MOST_BYTES = 51_200;
const MOST_LINES = 2_000;

/** Calls under way at once; one that was stopped never comes back for its result. */
const MOST_KEPT = 256;

const LOST = "The result of this call was lost on its way. Call the tool again, and ask for less at once.";

export class Results {
  readonly #kept = new RecentMap<string, CallResult>(MOST_KEPT);

  /** Keeps the result of a call for the hook. Returns what OpenCode gets until then. */
  keep(callID: string | undefined, result: CallResult): CallResult {
    if (callID === undefined) return result;
    this.#kept.set(callID, result);
    return isCut(result.output) ? { ...result, output: LOST } : result;
  }

  /** Whether the call is of one of our tools, and the hook has something to do. */
  has(callID: string): boolean {
    return this.#kept.has(callID);
  }

  readonly hook: NonNullable<Hooks["tool.execute.after"]> = async ({ callID }, output) => {
    const result = this.#kept.get(callID);
    if (!result) return;
    this.#kept.delete(callID);
    output.output = result.output;
    output.metadata = { ...output.metadata, ...result.metadata };
  };
}

function isCut(output: string): boolean {
  return Buffer.byteLength(output) > MOST_BYTES || output.split("\n").length > MOST_LINES;
}
