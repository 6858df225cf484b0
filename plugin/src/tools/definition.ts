/** What a model is told of a tool, in OpenCode's own words: it shall not notice where the tool runs. */
export interface ToolDefinition {
  readonly id: string;
  readonly description: string;
  /** JSON Schema of the arguments. They are checked by the bridge; OpenCode checks no plugin tool's. */
  readonly schema: {
    readonly type: "object";
    readonly properties: Readonly<Record<string, object>>;
    readonly required: readonly string[];
  };
}
