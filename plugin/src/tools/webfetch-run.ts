// `webfetch`: the sandbox fetches the page, and here it becomes what the model asked for. As OpenCode 1.18.33 does it, with the
// same libraries; but what is too long for an answer is kept in the sandbox, where the model's other tools can read it.
import { randomUUID } from "node:crypto";
import type { SandboxSession } from "../client/types.ts";
import { KEPT_OUTPUT } from "../host/workspace.ts";
import type { CallContext, CallResult } from "./context.ts";
import { forward } from "./forward.ts";

/** What of a page fits into an answer: OpenCode 1.18.33, unless the user's configuration says less. */
const MOST_BYTES = 51_200;
const MOST_LINES = 2_000;

export async function runWebfetch(session: SandboxSession, args: object, context: CallContext): Promise<CallResult> {
  const { metadata, ...result } = await forward(session, "webfetch", args, context);
  if (result.attachments) return { ...result, metadata: { truncated: false } };
  const isHtml = String(metadata["contentType"]).includes("text/html");
  const output = isHtml ? await convert(result.output, (args as Record<string, unknown>)["format"]) : result.output;
  const cut = cutToFit(output);
  if (!cut) return { ...result, output, metadata: { truncated: false } };
  const path = `${KEPT_OUTPUT}/tool_${randomUUID().replaceAll("-", "")}`;
  await session.files.write(path, output, { signal: context.abort });
  return {
    ...result,
    output:
      `${cut.kept}\n\n...${cut.missing} truncated...\n\nThe tool call succeeded but the output was truncated. ` +
      `Full output saved to: ${path}\nUse Grep to search the full content or Read with offset/limit to view specific sections.`,
    metadata: { truncated: true, outputPath: path },
  };
}

async function convert(html: string, format: unknown): Promise<string> {
  switch (format) {
    case "html":
      return html;
    case "text":
      return await textOf(html);
    default:
      return await markdownOf(html);
  }
}

async function markdownOf(html: string): Promise<string> {
  const { default: Turndown } = await import("turndown");
  const service = new Turndown({
    headingStyle: "atx",
    hr: "---",
    bulletListMarker: "-",
    codeBlockStyle: "fenced",
    emDelimiter: "*",
  });
  service.remove(["script", "style", "meta", "link"]);
  return service.turndown(html);
}

const UNREAD = new Set(["script", "style", "noscript", "iframe", "object", "embed"]);

/** All text but that of elements that nobody reads. */
async function textOf(html: string): Promise<string> {
  const { Parser } = await import("htmlparser2");
  let text = "";
  let unread = 0;
  const parser = new Parser({
    onopentag(name) {
      if (unread > 0 || UNREAD.has(name)) unread++;
    },
    ontext(piece) {
      if (unread === 0) text += piece;
    },
    onclosetag() {
      if (unread > 0) unread--;
    },
  });
  parser.write(html);
  parser.end();
  return text.trim();
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
