@0xf390b7b5e938d844;
# The one public interface of sandbridge: what an OpenCode plugin, a harness script or a command-line client says to
# the bridge. It is served as binary Cap'n Proto over WebSocket at `/rpc`, with the bridge's token as
# `Authorization: Bearer` on the upgrade. One frame from the client may hold several messages back to back.
#
# Conventions
# - Paths are absolute paths in the sandbox or relative to its workspace, `/workspace`.
# - Durations are in milliseconds, points in time in milliseconds since 1970; zero means "not given".
# - Bulk bytes travel as chunks of at most 1 MiB through a `ByteSink`.
# - Dropping a capability or cancelling a call (Finish before Return) undoes what it holds: a running command is
#   killed with its process group.
#
# Errors: the text of every exception begins with its kind and a colon, and goes on with a sentence for people:
#   notFound          what was named does not exist                       do not retry
#   invalidArgument   the request itself is wrong                         do not retry
#   denied            not allowed, or refused by the person who was asked do not retry
#   unavailable       nothing was done; the service cannot be reached     safe to retry
#   interrupted       the outcome is unknown: it may have been done       look before you repeat
#   sandboxLost       the session's sandbox ended and its files with it   a next call starts a new, empty one
#   failed            anything else                                       do not retry blindly
# They never hold file names or line numbers of the bridge, nor any credential.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("sandbridge::api");

interface SandboxRpcApi {
  # The bootstrap interface. Its holder may open any session of this bridge.

  hello @0 (client :ClientInfo) -> (server :ServerInfo);
  # Says who calls and learns who answers. Optional; no effect on the connection.

  session @1 (key :SessionKey, options :SandboxOptions) -> (session :Session);
  # The session with this key. Does no I/O and cannot fail for an unknown id: pipeline on the result at once.
  # Equal root ids lead to the same sandbox, on every connection and after a restart of the bridge.

  sessions @2 () -> (sessions :List(SessionInfo));
  # Every session that has a sandbox, named by this product, in the account that the bridge uses. One or more requests
  # to TensorLake (its pages are followed).

  watch @3 (listener :SessionListener) -> (handle :Handle);
  # Calls `listener` on each event of any session until the handle is dropped. Events are not replayed.

  ping @4 ();
  # Answers at once. For finding out whether the connection still works.
}

struct ClientInfo {
  name @0 :Text;        # for example "opencode-sandbridge"
  version @1 :Text;
}

struct ServerInfo {
  name @0 :Text;        # "sandbridge"
  version @1 :Text;
  backend @2 :Backend;  # where the sandboxes are
  workspace @3 :Text;   # the workspace's path in every sandbox
  tools @4 :List(Text); # the names that `Tools.call` knows

  enum Backend {
    local @0;           # on the bridge's machine
    tensorlake @1;
  }
}

struct SessionKey {
  id @0 :Text;
  # The caller's own name for the session, any bytes but none empty; at most 64 KiB.
  root @1 :Text;
  # The session at the top of its family, whose sandbox this one shares. Empty: `id` itself is the root.
}

struct SandboxOptions {
  # Used when the sandbox has to be created; ignored when it exists. Zero and empty fields mean the bridge's defaults.
  image @0 :Text;
  cpus @1 :Float64;
  memoryMb @2 :UInt32;
  diskMb @3 :UInt32;
  timeoutSecs @4 :UInt32;   # idle time after which the sandbox is suspended
}

struct SessionInfo {
  id @0 :Text;              # the root session's id, where it is known (else empty)
  sandboxName @1 :Text;
  sandboxId @2 :Text;       # empty while there is none
  status @3 :Text;          # "none", or TensorLake's: pending running snapshotting suspending suspended terminated
  createdAt @4 :Int64;
  workspace @5 :Text;
}

interface Handle {
  # Ends what it stands for when it is dropped.
}

interface SessionListener {
  event @0 (event :SessionEvent) -> ();
}

struct SessionEvent {
  sessionId @0 :Text;       # the root session's id
  kind @1 :Kind;
  text @2 :Text;            # a sentence for people
  port @3 :UInt16;          # of `listening`; else 0

  enum Kind {
    created @0;             # a new sandbox was made for the session
    resumed @1;             # a suspended sandbox runs again
    connected @2;           # an existing running sandbox was found (after a restart of the bridge)
    lost @3;                # the sandbox ended by itself; its files are gone
    suspended @4;
    deleted @5;
    listening @6;
    # A program in the sandbox listens on `port`, whoever started it and on whatever address: told once until it stops to. Looked
    # for while commands of this bridge run, and for 30 s after one that left something in the background; at most 64 ports.
    # A port is known about a second after it was opened. A bridge that was started again tells of those that are open anew.
  }
}

interface Session {
  # One root session and its sandbox, which is made on first use, found again by name, and resumed when suspended.

  prepare @0 () -> (info :SessionInfo);
  # Makes sure that the sandbox runs. Idempotent; calls may race.

  info @1 () -> (info :SessionInfo);
  # What is known now. Creates and resumes nothing.

  tools @2 (options :ToolOptions) -> (tools :Tools);
  files @3 () -> (files :Files);
  processes @4 () -> (processes :Processes);
  # Parts of the session. No I/O: pipeline on them.

  suspend @5 ();
  # Freezes the sandbox; its next use resumes it. Succeeds silently when there is none.

  destroy @6 ();
  # Deletes the sandbox and everything in it, after the calls under way have ended (for 30 s at most; then they are
  # cut). Succeeds silently when there is none. Calls made meanwhile fail with `notFound`.
}

struct ToolOptions {
  diagnostics @0 :Bool = true;
  # Whether write, edit, multiedit and apply_patch tell the errors that a language server in the sandbox finds in what they
  # have changed, as OpenCode does: at the end of `ToolResult.output` and as `diagnostics` in its metadata. Servers are clangd,
  # pyright-langserver, typescript-language-server and gopls, by the file's extension, where the image has them in PATH; one
  # runs for a session and is ended after five minutes without changes. An answer waits 1.5 s at most for them and never
  # fails for them. Without, nothing is started and nothing waits.
}

interface Tools {
  # OpenCode's tools, acting in the sandbox, and two that it lacks: `process` runs commands in the background (its background
  # processes outlive calls, connections and the bridge), `preview_url` gives a link to a port. `webfetch` answers with the page
  # as it came, HTML too, of which OpenCode makes Markdown or text. `websearch` has one more argument, `provider`: "exa" (if it is
  # not given) or "parallel", which is asked from the sandbox without a key. Also `multiedit` and `list`, which OpenCode had before 1.18
  # (`multiedit` does all of its edits or none).

  call @0 (name :Text, arguments :Text, ui :ToolUi) -> (result :ToolResult);
  # Runs one tool. `arguments` is a JSON object as a model wrote it: it is checked here, and what is wrong with it is
  # told in `ToolResult.output` in the words that OpenCode 1.18.33 uses. `ui` may be null: then nothing is asked
  # and nothing is streamed. Cancelling kills what the tool has started. Infrastructure failures are exceptions; a tool
  # that fails is a result with `failed` set.
}

struct ToolResult {
  failed @0 :Bool;               # `output` is the error text; title and attachments are empty
  title @1 :Text;
  output @2 :Text;               # what the model gets; always valid UTF-8
  metadata @3 :Text;
  # What a user interface gets: a JSON object in the shape that OpenCode gives this tool (diff, counts, exit code). It is
  # JSON because the shape is OpenCode's and changes with it, while the bridge and its clients only pass it on.
  attachments @4 :List(Attachment);

  struct Attachment {
    mime @0 :Text;
    data @1 :Data;
    filename @2 :Text;           # may be empty
  }
}

interface ToolUi {
  # The person behind a tool call, implemented by the client.

  ask @0 (question :Question) -> ();
  # OpenCode's permission question. Returning allows; throwing refuses, and the call fails with the exception's
  # text. The tool waits for as long as the person takes.

  output @1 (text :Data) -> stream;
  # What the running command has printed since the last call: any bytes, at most 64 KiB.

  awaitStop @2 () -> ();
  # Returns when the person wants the running command to end, and waits until then. `bash` calls it once its command has
  # run for a moment, and gives the call up when the command has ended. After it has returned, the command's process group
  # gets SIGTERM and 3 s later SIGKILL, and the result has all that it printed until its end, as OpenCode 1.18.33 does it.
  # A client that throws here can still cancel `Tools.call`, and then gets no result.

  struct Question {
    permission @0 :Text;         # "read", "edit", "glob", "grep", "bash", "external_directory", "preview_url", "webfetch",
                                 # "websearch"
    patterns @1 :List(Text);
    always @2 :List(Text);       # what "always allow" would allow
    metadata @3 :Text;           # a JSON object, OpenCode's shape
  }
}

interface Files {
  # Files of the sandbox. All errors of the sandbox's file system come as `notFound`, `invalidArgument` or `failed`.

  read @0 (path :Text, sink :ByteSink) -> (size :UInt64);
  # Sends the file's bytes and then `done`. Safe to retry.

  write @1 (path :Text, size :Int64 = -1) -> (sink :ByteSink);
  # A sink for the new content. Parents are made. The file is replaced when `done` returns; when the sink is dropped before
  # that, the old file stays as it was. `size`: the bytes that will come, when that is known (else negative); they then go
  # to the sandbox as they come, and any other number of them is `invalidArgument`. Without, the bridge keeps them on its disk
  # until `done`, 1 GiB at most. The sandbox gives up on bytes of a known size that do not come for a minute.

  list @2 (path :Text) -> (entries :List(Entry));
  # The entries of a directory, directories first, then by name. Not recursive.

  remove @3 (path :Text) -> ();
  # Deletes one file; not a directory.

  struct Entry {
    name @0 :Text;
    isDirectory @1 :Bool;
    size @2 :UInt64;
    modifiedAt @3 :Int64;
  }
}

interface Processes {
  start @0 (command :Command, stdout :ByteSink, stderr :ByteSink) -> (process :Process);
  # Starts a command in its own process group. Never repeated by the bridge: when the answer is lost the error is
  # `interrupted`. Both sinks get `done` at the end of the stream; a null sink discards its stream; a null `stderr`
  # with `mergeStderr` set sends both to `stdout` in the order in which they were written.
}

struct Command {
  argv @0 :List(Text);         # the program and its arguments; no shell unless you name one
  workdir @1 :Text;            # empty: the workspace
  environment @2 :List(Variable);
  timeoutMs @3 :UInt64;        # the process group is killed after this time; zero: never
  mergeStderr @4 :Bool;
  stdin @5 :Bool;              # keep standard input open for `Process.stdin`; otherwise it is at its end

  struct Variable {
    name @0 :Text;
    value @1 :Text;
  }
}

interface Process {
  # A running command. Dropping the last reference before it has ended kills its process group.

  wait @0 () -> (status :ExitStatus);
  # Returns after the command has ended and its output was delivered.

  signal @1 (number :UInt8) -> ();
  # Sends a signal to the process group. `notFound` when it has ended.

  stdin @2 () -> (sink :ByteSink);
  # Standard input; `done` closes it.
}

struct ExitStatus {
  union {
    code @0 :UInt32;           # exited by itself
    signal @1 :UInt32;         # ended by this signal
    timeout @2 :Void;          # killed because `timeoutMs` was over
  }
}

interface ByteSink {
  write @0 (bytes :Data) -> stream;
  # At most 1 MiB a call. The stream's window is the back-pressure. A failure shows at the next call, at the latest at `done`.

  done @1 () -> ();
  # The end of the bytes. Always call and await it before dropping the sink.
}
