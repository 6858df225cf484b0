// OpenCode's own environment variables.

/** Whether one of these switches is on, as OpenCode 1.18.33 reads them. */
export function isSwitchedOn(environment: Readonly<Record<string, string | undefined>>, ...names: string[]): boolean {
  return names.some((name) => /^(1|true|yes|on|y)$/i.test(environment[name] ?? ""));
}
