// The plugin's tools in the shape that OpenCode wants.
import type { Hooks } from "@opencode-ai/plugin";
import type { CallContext, CallResult } from "./context.ts";
import type { ToolDefinition } from "./definition.ts";
import { definitions } from "./definitions.ts";

export type Execute = (id: string, args: object, context: CallContext) => Promise<CallResult>;

/** Tools with OpenCode's names and words that do what `execute` does. */
export function makeTools(execute: Execute, made: readonly ToolDefinition[] = definitions): NonNullable<Hooks["tool"]> {
  const tools = Object.fromEntries(
    made.map(({ id, description, schema }) => [
      id,
      {
        description,
        args: schema.properties,
        execute: (args: object, context: CallContext) => execute(id, args, context),
      },
    ]),
  );
  // OpenCode's types want Zod fields here; it takes JSON Schema as well. The required fields follow by `defineTools`.
  return tools as unknown as NonNullable<Hooks["tool"]>;
}

/** `tool.definition`: gives our tools the very schema of those that they replace. */
export function defineTools(made: readonly ToolDefinition[] = definitions): NonNullable<Hooks["tool.definition"]> {
  return async ({ toolID }, output) => {
    const definition = made.find(({ id }) => id === toolID);
    if (!definition) return;
    output.description = definition.description;
    Object.assign(output, {
      jsonSchema: { $schema: "https://json-schema.org/draft/2020-12/schema", ...definition.schema },
    });
  };
}
