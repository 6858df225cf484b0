// One tool call: the arguments as the model wrote them go to the bridge, and what comes back goes to OpenCode.
import { RpcError } from "../capnp/errors.ts";
import type { SandboxSession, ToolCallOptions, ToolResult } from "../client/types.ts";
import type { CallContext, CallResult } from "./context.ts";

/** Runs a tool, asking OpenCode's permission questions. A failure is thrown with the text that the model shall see. */
export async function forward(
  session: SandboxSession,
  name: string,
  args: object,
  context: CallContext,
  options: ToolCallOptions = {},
): Promise<CallResult> {
  let result: ToolResult;
  try {
    result = await session.tools.call(name, args, {
      signal: context.abort,
      // A refusal rejects the call with the very object that OpenCode threw: OpenCode ends the turn by its class.
      ask: (question) => context.ask(question),
      ...options,
    });
  } catch (error) {
    throw toolError(error);
  }
  if (result.failed) throw new Error(result.output);
  return {
    title: result.title,
    output: result.output,
    metadata: result.metadata,
    ...(result.attachments.length > 0 && {
      attachments: result.attachments.map(({ mime, data, filename }) => ({
        type: "file" as const,
        mime,
        url: `data:${mime};base64,${Buffer.from(data).toString("base64")}`,
        ...(filename !== undefined && { filename }),
      })),
    }),
  };
}

/** The same error, worded for a model, which cannot know what a bridge is but can decide whether to try again. */
export function toolError(error: unknown): unknown {
  if (!(error instanceof RpcError)) return error;
  const text = error.message;
  switch (error.kind) {
    case "unavailable":
      return new Error(`The sandbox cannot be reached, so nothing was done: ${text}`);
    case "interrupted":
      return new Error(
        `The connection to the sandbox broke during this call, which may or may not have been carried out. ` +
          `Look before you repeat it: ${text}`,
      );
    case "sandboxLost":
      return new Error(
        `The sandbox of this session ended and its files are gone; the next call starts a new, empty one: ${text}`,
      );
    default:
      return new Error(text);
  }
}
