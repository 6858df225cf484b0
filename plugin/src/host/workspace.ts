/** Where the session's files are in every sandbox. OpenCode's own directory is never shown to the model. */
export const WORKSPACE = "/workspace";

/** How long `!command` waits for the bridge. */
export const SHELL_CONNECT_TIMEOUT_MS = 10_000;
