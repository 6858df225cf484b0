// `webfetch`: the sandbox fetches the page, and here it becomes what the model asked for. As OpenCode 1.18.33 does it, with the
// same libraries.
import type { SandboxSession } from "../client/types.ts";
import type { CallContext, CallResult } from "./context.ts";
import { fitted } from "./fitted.ts";
import { forward } from "./forward.ts";

export async function runWebfetch(session: SandboxSession, args: object, context: CallContext): Promise<CallResult> {
  const { metadata, ...result } = await forward(session, "webfetch", args, context);
  if (result.attachments) return { ...result, metadata: { truncated: false } };
  const isHtml = String(metadata["contentType"]).includes("text/html");
  const output = isHtml ? await convert(result.output, (args as Record<string, unknown>)["format"]) : result.output;
  return await fitted(session, { ...result, output, metadata: {} }, context.abort);
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
