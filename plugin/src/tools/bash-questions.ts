// Which permission questions a shell command raises: OpenCode's own rules, read off the command's syntax tree. They are
// asked by the plugin, not by the bridge, because it is here that the shell parser of OpenCode can run.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { posix } from "node:path";
import type { Node, Parser } from "web-tree-sitter";
import type { Question } from "../client/types.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { commandPrefix } from "./bash-arity.ts";

/** What must be known of the sandbox to tell whether a path leads out of the workspace. */
export interface Surroundings {
  home(): Promise<string>;
  /** For each path whether it is a directory now. */
  areDirectories(paths: readonly string[]): Promise<boolean[]>;
}

/** Commands that only change the directory: they raise no question of their own. */
const CHANGE_DIRECTORY = new Set("cd chdir popd pushd push-location set-location".split(" "));

/** Commands whose arguments are paths. Redirections and all other commands are not looked into. */
const TAKE_PATHS = new Set([
  ...CHANGE_DIRECTORY,
  ..."rm cp mv mkdir touch chmod chown cat".split(" "),
  ..."get-content set-content add-content copy-item move-item remove-item".split(" "),
  ..."new-item rename-item".split(" "),
]);

const WORD_TYPES = new Set(["command_name", "word", "string", "raw_string", "concatenation"]);

/** The questions for running `command` in `cwd`, in the order in which they are to be asked. */
export async function bashQuestions(
  command: string,
  cwd: string,
  surroundings: Surroundings,
): Promise<Question[]> {
  const found = await parse(command);
  const paths: string[] = [];
  for (const argument of found.paths) {
    const path = await resolvePath(argument, cwd, surroundings);
    if (path !== undefined && !isInWorkspace(path)) paths.push(path);
  }
  const flags = paths.length > 0 ? await surroundings.areDirectories(paths) : [];
  const directories = new Set(
    paths.map((path, index) => (flags[index] === true ? path : posix.dirname(path))),
  );
  if (!isInWorkspace(cwd)) directories.add(cwd);

  const questions: Question[] = [];
  if (directories.size > 0) {
    const patterns = [...directories].map((directory) => posix.join(directory, "*"));
    questions.push({
      permission: "external_directory",
      patterns,
      always: patterns,
      metadata: { command, directories: [...directories], patterns },
    });
  }
  if (found.patterns.length > 0) {
    questions.push({
      permission: "bash",
      patterns: found.patterns,
      always: found.always,
      metadata: { command },
    });
  }
  return questions;
}

/** As OpenCode sees it: by its name alone, links are not followed. */
export function isInWorkspace(path: string): boolean {
  const relative = posix.relative(WORKSPACE, path);
  return relative === "" || (relative !== ".." && !relative.startsWith("../"));
}

interface Found {
  patterns: string[];
  always: string[];
  /** Arguments that are paths, as written. */
  paths: string[];
}

async function parse(command: string): Promise<Found> {
  let tree;
  try {
    tree = (await (parser ??= loadParser())).parse(command);
  } catch {
    // Loading may succeed another time. Until then each command is one question, without an "always".
    parser = undefined;
  }
  if (!tree) return { patterns: [command.trim()], always: [], paths: [] };
  try {
    return collect(tree.rootNode);
  } finally {
    tree.delete();
  }
}

function collect(root: Node): Found {
  const patterns = new Set<string>();
  const always = new Set<string>();
  const paths: string[] = [];
  for (const node of root.descendantsOfType("command")) {
    if (!node) continue;
    const words = wordsOf(node);
    const name = words[0];
    if (name === undefined) continue;
    if (TAKE_PATHS.has(name)) {
      for (const word of words.slice(1)) {
        if (word.startsWith("-") || (name === "chmod" && word.startsWith("+"))) continue;
        paths.push(word);
      }
    }
    if (CHANGE_DIRECTORY.has(name)) continue;
    const whole = node.parent?.type === "redirected_statement" ? node.parent : node;
    patterns.add(whole.text.trim());
    always.add(`${commandPrefix(words).join(" ")} *`);
  }
  return { patterns: [...patterns], always: [...always], paths };
}

function wordsOf(command: Node): string[] {
  const words: string[] = [];
  for (const child of command.children) {
    if (child && WORD_TYPES.has(child.type)) words.push(child.text);
  }
  return words;
}

/** The path that an argument means, or nothing where only the shell could tell. */
async function resolvePath(
  argument: string,
  cwd: string,
  surroundings: Surroundings,
): Promise<string | undefined> {
  let text = argument;
  const first = text[0];
  if (text.length >= 2 && (first === '"' || first === "'") && text.endsWith(first)) {
    text = text.slice(1, -1);
  }
  if (text === "~") text = await surroundings.home();
  else if (text.startsWith("~/")) text = posix.join(await surroundings.home(), text.slice(2));
  const wildcard = text.search(/[?*[]/);
  if (wildcard === 0) return undefined;
  if (wildcard > 0) text = text.slice(0, wildcard);
  if (text === "" || text.startsWith("(") || text.startsWith("@(")) return undefined;
  if (text.includes("$") || text.includes("`")) return undefined;
  return posix.resolve(cwd, text);
}

let parser: Promise<Parser> | undefined;

async function loadParser(): Promise<Parser> {
  const { Language, Parser } = await import("web-tree-sitter");
  const require = createRequire(import.meta.url);
  await Parser.init({ wasmBinary: await readFile(require.resolve("web-tree-sitter/tree-sitter.wasm")) });
  const grammar = await readFile(require.resolve("tree-sitter-bash/tree-sitter-bash.wasm"));
  const made = new Parser();
  made.setLanguage(await Language.load(grammar));
  return made;
}
