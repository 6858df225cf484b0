// `tool.execute.before`: lets only tools run that are known to leave OpenCode's machine alone. A later version of
// OpenCode, another plugin or an MCP server may bring one that does not.
import type { Hooks } from "@opencode-ai/plugin";
import { isAllowed, type Options } from "../host/options.ts";
import { isAddable, isSafe, sandboxed } from "../tools/known.ts";

/** The form in which OpenCode finds `@file` in a prompt. */
export const MENTION = /(?<![\w`])@(\.?[^\s`,.]*(?:\.[^\s`,.]+)*)/g;

/** `onRefused` is told the name of each tool that is refused. */
export function toolBeforeHook(
  options: Options,
  onRefused: (tool: string) => void = () => {},
): NonNullable<Hooks["tool.execute.before"]> {
  return async ({ tool }, output) => {
    if (!isSafe(tool, options) && !isAllowed(tool, options)) {
      onRefused(tool);
      throw refusal(tool, options);
    }
    if (tool === "task") hideMentions(output.args);
  };
}

function refusal(tool: string, options: Options): Error {
  const way = isAddable(tool, options) ? 'have one that acts inside with "addTools"' : 'open it with "allowTools"';
  return new Error(
    `The tool "${tool}" is closed: it would act outside of this session's sandbox. Use ${sandboxed(options).join(", ")} ` +
      `instead, which act inside. (The user can ${way} in the options of opencode-sandbridge.)`,
  );
}

/** OpenCode would read the files that a subagent's prompt mentions from its own machine, whoever wrote the prompt. */
function hideMentions(args: unknown): void {
  if (typeof args !== "object" || args === null || !("prompt" in args)) return;
  if (typeof args.prompt !== "string") return;
  args.prompt = args.prompt.replace(MENTION, (mention) => `\`${mention}\``);
}
