// Tool calls: the arguments go as a model wrote them, questions and output come back while the tool runs.

import { results } from "../capnp/answer.ts";
import { RpcError } from "../capnp/errors.ts";
import { ToolUi, type ToolUi$Server, type ToolUi_Question } from "../capnp/generated/sandbox-rpc.ts";
import { type CallContext, caughtUp } from "../capnp/local.ts";
import { jsonObject, toolResult } from "./convert.ts";
import type { UseSession } from "./session.ts";
import type { Question, ToolCallOptions, ToolResult } from "./types.ts";

export function callTool(
  use: UseSession, name: string, args: object | string, options: ToolCallOptions = {},
): Promise<ToolResult> {
  const { signal, stop } = options;
  const text = typeof args === "string" ? args : JSON.stringify(args);
  return use(async ({ tools }) => {
    const ui = options.ask || options.onOutput || stop ? new Ui(options) : undefined;
    try {
      const { result } = await results(tools.call((p) => {
        p.name = name;
        p.arguments = text;
        if (ui) p.ui = ui.server.client();
      }), signal);
      // The answer may have overtaken output that `onOutput` has yet to take.
      if (ui) await caughtUp(ui.server);
      if (!result) throw new RpcError("failed", "the bridge sent no result");
      if (!result.failed || !ui?.refusal) return toolResult(result);
    } catch (error) {
      if (!ui?.refusal || signal?.aborted) throw error;
    }
    // The person's own words, not what the bridge made of them.
    throw ui.refusal.error;
  }, { signal: stop ? AbortSignal.any(signal ? [stop, signal] : [stop]) : signal });
}

class Ui {
  readonly server: ToolUi$Server;
  /** What `ask` or `onOutput` has thrown. */
  refusal: { readonly error: unknown } | undefined;

  constructor({ ask, onOutput, stop }: ToolCallOptions) {
    this.server = new ToolUi.Server({
      ask: async ({ question }) => {
        await this.#guard("denied", () => ask?.(convertQuestion(question)));
      },
      output: async ({ text }) => {
        await this.#guard("failed", () => onOutput?.(text.toUint8Array().slice()));
      },
      awaitStop: (_params: unknown, _results: unknown, context?: CallContext) => fired(stop, context?.signal),
    });
  }

  async #guard(kind: "denied" | "failed", handler: () => void | Promise<void>): Promise<void> {
    try {
      await handler();
    } catch (error) {
      this.refusal ??= { error };
      throw new RpcError(kind, error instanceof Error ? error.message : String(error));
    }
  }
}

/** Resolves when the signal fires; also when the wait has ended, and nobody hears of it. */
function fired(signal: AbortSignal | undefined, end: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const stopWaiting = () => {
      signal?.removeEventListener("abort", stopWaiting);
      resolve();
    };
    signal?.addEventListener("abort", stopWaiting);
    end?.addEventListener("abort", stopWaiting, { once: true });
  });
}

function convertQuestion(question: ToolUi_Question): Question {
  return {
    permission: question.permission,
    patterns: [...question.patterns],
    always: [...question.always],
    metadata: jsonObject(question.metadata),
  };
}
