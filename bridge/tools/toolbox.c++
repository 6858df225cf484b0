#include "tools/toolbox.h"

#include "base/coroutine.h"
#include "tools/tool.h"

namespace sandbridge {

namespace {

using Field = ArgumentField;

struct Tool {
  kj::StringPtr name;
  kj::ArrayPtr<const Field> fields;
  kj::Promise<ToolResult> (*run)(ToolContext& context, Arguments arguments, ToolUi& ui);
};

const Field BASH[] = {{"command"_kj, Field::STRING, true},
                      {"timeout"_kj, Field::POSITIVE, false},
                      {"workdir"_kj, Field::STRING, false}};
const Field READ[] = {{"filePath"_kj, Field::STRING, true},
                      {"offset"_kj, Field::NATURAL, false},
                      {"limit"_kj, Field::NATURAL, false}};
const Field WRITE[] = {{"content"_kj, Field::STRING, true}, {"filePath"_kj, Field::STRING, true}};
const Field EDIT[] = {{"filePath"_kj, Field::STRING, true},
                      {"oldString"_kj, Field::STRING, true},
                      {"newString"_kj, Field::STRING, true},
                      {"replaceAll"_kj, Field::BOOLEAN, false}};
const Field APPLY_PATCH[] = {{"patchText"_kj, Field::STRING, true}};
const Field GLOB[] = {{"pattern"_kj, Field::STRING, true}, {"path"_kj, Field::STRING, false}};
const Field GREP[] = {{"pattern"_kj, Field::STRING, true},
                      {"path"_kj, Field::STRING, false},
                      {"include"_kj, Field::STRING, false}};
// Tools that OpenCode had before 1.18, for harnesses that have them still.
const Field MULTIEDIT[] = {{"filePath"_kj, Field::STRING, true}, {"edits"_kj, Field::LIST, true}};
const Field LIST[] = {{"path"_kj, Field::STRING, false}, {"ignore"_kj, Field::LIST, false}};
const Field PREVIEW_URL[] = {{"port"_kj, Field::POSITIVE, true}};
const kj::StringPtr FORMATS[] = {"text"_kj, "markdown"_kj, "html"_kj};
const Field WEBFETCH[] = {{"url"_kj, Field::STRING, true},
                          {"format"_kj, Field::STRING, false, FORMATS},
                          {"timeout"_kj, Field::NUMBER, false}};
const kj::StringPtr PROVIDERS[] = {"exa"_kj, "parallel"_kj};
const kj::StringPtr LIVECRAWL[] = {"fallback"_kj, "preferred"_kj};
const kj::StringPtr SEARCH_TYPES[] = {"auto"_kj, "fast"_kj, "deep"_kj};
const Field WEBSEARCH[] = {{"query"_kj, Field::STRING, true},
                           {"numResults"_kj, Field::NUMBER, false},
                           {"livecrawl"_kj, Field::STRING, false, LIVECRAWL},
                           {"type"_kj, Field::STRING, false, SEARCH_TYPES},
                           {"contextMaxCharacters"_kj, Field::NUMBER, false},
                           {"provider"_kj, Field::STRING, false, PROVIDERS}};
const Field PROCESS[] = {{"action"_kj, Field::STRING, true},   {"command"_kj, Field::STRING, false},
                         {"workdir"_kj, Field::STRING, false}, {"id"_kj, Field::NATURAL, false},
                         {"offset"_kj, Field::NATURAL, false}, {"input"_kj, Field::STRING, false},
                         {"close"_kj, Field::BOOLEAN, false},  {"wait"_kj, Field::NATURAL, false}};

const Tool TOOLS[] = {
    {"bash"_kj, BASH, runBash},
    {"read"_kj, READ, runRead},
    {"write"_kj, WRITE, runWrite},
    {"edit"_kj, EDIT, runEdit},
    {"apply_patch"_kj, APPLY_PATCH, runApplyPatch},
    {"glob"_kj, GLOB, runGlob},
    {"grep"_kj, GREP, runGrep},
    {"multiedit"_kj, MULTIEDIT, runMultiEdit},
    {"list"_kj, LIST, runList},
    {"process"_kj, PROCESS, runProcess},
    {"webfetch"_kj, WEBFETCH, runWebfetch},
    {"websearch"_kj, WEBSEARCH, runWebsearch},
    {"preview_url"_kj, PREVIEW_URL, runPreviewUrl},
};

class ToolboxImpl final : public Toolbox {
 public:
  ToolboxImpl(Workspace& workspace, kj::Timer& timer, FileMemory& memory,
              kj::Maybe<kj::Own<PortLinks>> links, kj::Maybe<kj::Own<LanguageServers>> servers)
      : context(workspace, timer, memory, kj::mv(links), kj::mv(servers)) {}

  kj::Array<kj::StringPtr> names() override {
    kj::Vector<kj::StringPtr> names;
    for (auto& tool : TOOLS) {
      if (isThere(tool)) names.add(tool.name);
    }
    return names.releaseAsArray();
  }

  kj::Promise<ToolResult> call(kj::StringPtr name, kj::StringPtr arguments, ToolUi& ui) override {
    KJ_IF_MAYBE (s, context.servers) {
      KJ_IF_MAYBE (loss, (*s)->takeLoss()) return kj::mv(*loss);
    }
    for (auto& tool : TOOLS) {
      if (tool.name != name || !isThere(tool)) continue;
      try {
        return tool.run(context, Arguments(tool.name, arguments, tool.fields), ui)
            .catch_([this](kj::Exception&& e) -> kj::Promise<ToolResult> {
              if (kindOf(e) == ErrorKind::SANDBOX_LOST) {
                KJ_IF_MAYBE (s, context.servers) (*s)->sandboxLost();
              }
              if (isInfrastructure(e)) return kj::mv(e);
              return failedResult(textOf(e));
            });
      } catch (Refusal& refusal) {
        return failedResult(kj::mv(refusal.text));
      }
    }
    return failedResult(kj::str("There is no tool named \"", name,
                                "\". There are: ", kj::strArray(names(), ", "), "."));
  }

  void forgetFiles() override { context.files.forgetAll(); }

  kj::Promise<void> rest() override {
    KJ_IF_MAYBE (s, context.servers) return (*s)->end();
    return kj::READY_NOW;
  }

 private:
  ToolContext context;

  bool isThere(const Tool& tool) const {
    return tool.run != &runPreviewUrl || context.links != nullptr;
  }
};

}  // namespace

kj::Own<Toolbox> newToolbox(Workspace& workspace, kj::Timer& timer, FileMemory& memory,
                            kj::Maybe<kj::Own<PortLinks>> links,
                            kj::Maybe<kj::Own<LanguageServers>> servers) {
  return kj::heap<ToolboxImpl>(workspace, timer, memory, kj::mv(links), kj::mv(servers));
}

ToolUi& silentUi() {
  static SilentUi ui;
  return ui;
}

}  // namespace sandbridge
