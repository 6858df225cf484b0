// The plugin at work: puts the parts together for one instance of OpenCode, that is, one directory.
import type { Hooks, PluginInput } from "@opencode-ai/plugin";
import { Audit } from "./hooks/audit.ts";
import { chatMessageHook } from "./hooks/chat-message.ts";
import { commandHook } from "./hooks/command.ts";
import { configHook } from "./hooks/config.ts";
import { eventHook } from "./hooks/event.ts";
import { carryOverflow } from "./hooks/overflow.ts";
import { Ports } from "./hooks/ports.ts";
import { Project } from "./hooks/project.ts";
import { Resume } from "./hooks/resume.ts";
import { shellEnvHook } from "./hooks/shell-env.ts";
import { systemHook } from "./hooks/system.ts";
import { opencodeToaster, watchForToasts } from "./hooks/toasts.ts";
import { Results } from "./hooks/tool-after.ts";
import { toolBeforeHook } from "./hooks/tool-before.ts";
import { Agents } from "./host/agents.ts";
import { sharedConnection } from "./host/connection.ts";
import { Family } from "./host/family.ts";
import { readOptions } from "./host/options.ts";
import { Sessions } from "./host/sessions.ts";
import { definitionsFor } from "./tools/definitions.ts";
import { sandboxTools } from "./tools/sandbox-tools.ts";
import { hostFolderOf } from "./tools/skill-run.ts";
import { defineTools } from "./tools/tools-shape.ts";

export function start(input: PluginInput, given: Readonly<Record<string, unknown>> | undefined): Hooks {
  const { client, directory, worktree } = input;
  const options = readOptions(given);
  const definitions = definitionsFor(options);
  const connection = sharedConnection(options);
  const family = new Family(client);
  const sessions = new Sessions(connection, family, options.diagnostics);
  const sessionOf = (id: string) => sessions.of(id);
  const results = new Results();
  const resume = new Resume(client, family, connection, sessionOf);
  const ports = new Ports(family, connection);
  const replaceFiles = chatMessageHook([directory, worktree], sessionOf);
  const onEvent = eventHook(client, connection, family);
  const project = new Project(client, sessionOf);
  const agents = new Agents(client);
  const additionsFor = async (id: string) => {
    const { instructions, skills } = await project.look(id);
    return { instructions, skills: await agents.permitted(id, "skill", skills) };
  };
  const toaster = opencodeToaster(client);
  const stopToasts = watchForToasts(connection, family, toaster);
  const audit = new Audit(client, options, (toast) => toaster.add(toast));
  return {
    tool: sandboxTools(client, sessionOf, (root) => project.lastOf(root).skills, results, definitions),
    "tool.definition": defineTools(definitions),
    "chat.message": async (message, output) => {
      agents.note(message.sessionID, output.message.agent);
      await replaceFiles(message, output);
      await resume.onMessage(message.sessionID, output);
      ports.onMessage(message.sessionID, output);
    },
    "tool.execute.before": toolBeforeHook(options, (tool) => audit.refused(tool)),
    "tool.execute.after": async (call, output) => {
      if (results.has(call.callID)) await results.hook(call, output);
      else await carryOverflow(output, () => sessionOf(call.sessionID));
    },
    "experimental.chat.system.transform": systemHook([directory, worktree], additionsFor, options.web),
    "command.execute.before": commandHook(directory, worktree, sessionOf, (skill) => hostFolderOf(client, skill)),
    "shell.env": shellEnvHook(options, family),
    config: configHook(options, ({ settings, lspWanted }) => {
      sessions.diagnostics = options.diagnostics && lspWanted;
      void audit.run(settings["mcp"]);
    }),
    event: async (occurrence) => {
      if (occurrence.event.type === "session.created") resume.noteNew(occurrence.event.properties.info.id);
      if (occurrence.event.type === "session.deleted") sessions.forget(occurrence.event.properties.info.id);
      await onEvent(occurrence);
    },
    // The connection serves the process and the sandboxes outlive it: only what belongs to this instance ends.
    dispose: async () => {
      stopToasts();
      resume.close();
      ports.close();
    },
  };
}
