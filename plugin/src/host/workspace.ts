/** Where the session's files are in every sandbox. OpenCode's own directory is never shown to the model. */
export const WORKSPACE = "/workspace";
