// Where the sandbox's tools mean to differ from OpenCode's own, and must: there OpenCode hangs, loses data or
// touches what it would ask for, mostly.
// README.md has the same list; ../exceptions.test.mjs compares.

/** What is done differently, in which cases it is seen. */
export const differences = [
  {
    what: "A command whose shell is killed by a signal",
    opencode: "waits until the timeout",
    here: "ends with it; the exit code is 128 + the signal",
    cases: ["bash/kill-self", "bash/kill-self-term"],
  },
  {
    what: "A command that takes more than 250 ms to end when it is aborted",
    opencode: "tells the model nothing of what it printed",
    here: "what it printed until then is kept",
    cases: ["bash/abort-trap-ignored", "bash/abort-slow-death"],
  },
  {
    what: "A named pipe that is read",
    opencode: "waits for a writer, for ever",
    here: "is refused",
    cases: ["read/fifo"],
  },
  {
    what: "A device that is read or written",
    opencode: "is, and may never end",
    here: "is refused",
    cases: ["read/dev-null", "write/device"],
  },
  {
    what: "A symbolic link in the workspace that leads out of it",
    opencode: "is followed without a question",
    here: "is followed after the question for what is outside",
    cases: [
      "read/link-outside", "read/link-outside-dir", "write/link-outside", "edit/link-outside", "apply_patch/link-outside",
      "glob/link-outside", "grep/link-outside",
    ],
  },
  {
    what: "A file with a backslash in its name, found by `glob` or `grep`",
    opencode: "is told with a slash in its place, so that it cannot be opened",
    here: "is told by its name",
    cases: ["glob/backslash", "grep/backslash"],
  },
  {
    what: "`grep` with a symbolic link to a file as its path",
    opencode: "searches the folder that it leads to, and tells paths in the link's folder, where nothing of it is",
    here: "searches the link's folder",
    cases: ["grep/link-to-file"],
  },
  {
    what: "An edit of a file that is not all UTF-8",
    opencode: "destroys the bytes that are not, anywhere in the file",
    here: "leaves them as they are",
    cases: ["edit/invalid-utf8"],
  },
  {
    what: "`$&` and the like in the new text of an edit that replaces all",
    opencode: "puts other text in their place",
    here: "are taken literally",
    cases: ["edit/dollar-replaceall"],
  },
  {
    what: "An edit that replaces all of a blank text",
    opencode: "may put the new text between all characters of the file",
    here: "is refused unless the text stands there as it is",
    cases: ["edit/blank-replace-all"],
  },
  {
    what: "A patch that moves a file onto itself",
    opencode: "deletes it",
    here: "keeps it",
    cases: ["apply_patch/move-same"],
  },
  {
    what: "A patch with two updates of one file",
    opencode: "loses the first",
    here: "applies both",
    cases: ["apply_patch/same-file-twice"],
  },
  {
    what: "A line that `read` cuts in the middle of a character",
    opencode: "ends with half a surrogate pair, which is no valid text",
    here: "ends with U+FFFD",
    cases: ["read/long-line-emoji"],
  },
  {
    what: "Output written to `/dev/stdout` or `/dev/stderr` by name",
    opencode: "is lost with an error, as these are sockets",
    here: "arrives",
    cases: ["bash/dev-stderr"],
  },
  {
    what: "An invalid pattern, in an image without ripgrep",
    opencode: "brings its own ripgrep, whose words it passes on, and says of a glob that nothing was found",
    here: "is an error in the words of the image's grep, or our own",
    cases: ["without-ripgrep/grep-invalid", "without-ripgrep/grep-invalid-class", "without-ripgrep/glob-invalid-glob"],
  },
  {
    what: "`.ignore` and `.rgignore`, in an image without ripgrep",
    opencode: "count",
    here: "do not count; `.gitignore` does",
    cases: ["without-ripgrep/grep-rgignore"],
  },
  {
    what: "A found line that is not all UTF-8, in an image without ripgrep",
    opencode: "makes the whole search fail",
    here: "is shown, with U+FFFD",
    cases: ["without-ripgrep/grep-invalid-utf8-line"],
  },
  {
    what: "The tools that are named when one does not exist",
    opencode: "names its own",
    here: "those that there are",
    cases: ["misc/unknown-tool"],
  },
];

/** Case to reason. */
export const exceptions = Object.fromEntries(
  differences.flatMap(({ what, opencode, here, cases }) => cases.map((id) => [id, `${what}: OpenCode ${opencode}; here ${here}`])),
);

/** The list as README.md has it. */
export function table() {
  const rows = differences.map(({ what, opencode, here }) => `| ${what} | ${opencode} | ${here} |\n`);
  return `| What | OpenCode | Here |\n|---|---|---|\n${rows.join("")}`;
}
