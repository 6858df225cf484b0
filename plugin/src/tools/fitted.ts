// What is too long for an answer is cut as OpenCode 1.18.33 cuts what its tools answer; but it is kept in the sandbox, where the
// model's other tools can read it.
import { randomUUID } from "node:crypto";
import type { SandboxSession } from "../client/types.ts";
import { KEPT_OUTPUT } from "../host/workspace.ts";
import type { CallResult } from "./context.ts";

/** What fits into an answer: OpenCode 1.18.33, unless the user's configuration says less. */
const MOST_BYTES = 51_200;
const MOST_LINES = 2_000;

/** The result with the start of its output, as much as fits, and in its metadata whether and where more of it is. */
export async function fitted(session: SandboxSession, result: CallResult, signal: AbortSignal): Promise<CallResult> {
  const cut = cutToFit(result.output);
  if (!cut) return { ...result, metadata: { ...result.metadata, truncated: false } };
  const path = `${KEPT_OUTPUT}/tool_${randomUUID().replaceAll("-", "")}`;
  await session.files.write(path, result.output, { signal });
  return {
    ...result,
    output:
      `${cut.kept}\n\n...${cut.missing} truncated...\n\nThe tool call succeeded but the output was truncated. ` +
      `Full output saved to: ${path}\nUse Grep to search the full content or Read with offset/limit to view specific sections.`,
    metadata: { ...result.metadata, truncated: true, outputPath: path },
  };
}

/** Whole lines from the start, as many as fit, and how much is missing then; nothing if all of it fits. */
function cutToFit(output: string): { kept: string; missing: string } | undefined {
  const lines = output.split("\n");
  const total = Buffer.byteLength(output);
  if (lines.length <= MOST_LINES && total <= MOST_BYTES) return undefined;
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines.slice(0, MOST_LINES)) {
    const more = Buffer.byteLength(line) + (kept.length > 0 ? 1 : 0);
    if (bytes + more > MOST_BYTES) return { kept: kept.join("\n"), missing: `${total - bytes} bytes` };
    kept.push(line);
    bytes += more;
  }
  return { kept: kept.join("\n"), missing: `${lines.length - kept.length} lines` };
}
