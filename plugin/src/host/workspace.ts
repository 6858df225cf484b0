/** Where the session's files are in every sandbox. OpenCode's own directory is never shown to the model. */
export const WORKSPACE = "/workspace";

/** Where the sandbox keeps output that was too long for an answer (bridge/tools/bash.c++, which removes old files there). */
export const KEPT_OUTPUT = "/tmp/.sandbridge/output";
