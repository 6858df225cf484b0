// `tool.execute.after`: what OpenCode's own tools (task, webfetch and the like) say at too great length OpenCode keeps on its own
// machine, and names the file there to the model, whose tools act in the sandbox. The file is copied to where they can read it.
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, posix } from "node:path";
import type { Hooks } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";
import { KEPT_OUTPUT } from "../host/workspace.ts";

const MOST_BYTES = 32 << 20;
const DEADLINE_MS = 60_000;

/** Changes the result of a call in place. When the rest cannot be copied, the model is told that it is not to be had. */
export async function carryOverflow(
  output: Parameters<NonNullable<Hooks["tool.execute.after"]>>[1],
  openSession: () => Promise<SandboxSession>,
): Promise<void> {
  const { truncated, outputPath } = (output.metadata ?? {}) as { truncated?: unknown; outputPath?: unknown };
  if (truncated !== true || typeof outputPath !== "string" || !isKept(outputPath)) return;
  const path = posix.join(KEPT_OUTPUT, basename(outputPath));
  try {
    const { size } = await stat(outputPath);
    if (size > MOST_BYTES) throw new Error(`it is longer than ${MOST_BYTES >> 20} MiB`);
    const session = await openSession();
    await session.files.write(path, await readFile(outputPath), { signal: AbortSignal.timeout(DEADLINE_MS) });
    output.output = output.output.replaceAll(outputPath, () => path);
    output.metadata = { ...output.metadata, outputPath: path };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // An error of the file system names the file.
    const note = `(nowhere: it could not be copied into the sandbox: ${reason.replaceAll(outputPath, "the file")})`;
    output.output = output.output.replaceAll(outputPath, () => note);
    output.metadata = { ...output.metadata, outputPath: undefined };
  }
}

/** Whether OpenCode made this file. A tool may say anything of where its output is, and no other file may leave. */
function isKept(path: string): boolean {
  return isAbsolute(path) && basename(path).startsWith("tool_") && basename(dirname(path)) === "tool-output";
}
