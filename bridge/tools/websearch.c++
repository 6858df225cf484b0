// websearch: one of the two services that OpenCode 1.18.33 searches with, asked by the sandbox, and without a key: one of the
// user's must not get there. Both services are MCP servers; a search is one call of one tool.

#include "base/coroutine.h"
#include "base/header-line.h"
#include "base/json.h"
#include "tools/fetch.h"
#include "tools/questions.h"

namespace sandbridge {

namespace {

struct Service {
  kj::StringPtr name, title, url, tool;
};

const Service EXA = {"exa"_kj, "Exa Web Search"_kj, "https://mcp.exa.ai/mcp"_kj, "web_search_exa"_kj};
const Service PARALLEL = {"parallel"_kj, "Parallel Web Search"_kj, "https://search.parallel.ai/mcp"_kj, "web_search"_kj};

constexpr double DEFAULT_RESULTS = 8;
constexpr size_t REASON_BYTES = 500;

// What the person is asked, as OpenCode words it; an argument that is not given is left out.
kj::String questionData(const Arguments& arguments, const Service& service) {
  JsonWriter json;
  json.beginObject().field("query", chars(arguments.string("query")));
  auto addNumber = [&](kj::StringPtr name) {
    if (arguments.has(name)) json.field(name, arguments.real(name, 0));
  };
  auto addText = [&](kj::StringPtr name) {
    if (arguments.has(name)) json.field(name, chars(arguments.string(name)));
  };
  addNumber("numResults");
  addText("livecrawl");
  addText("type");
  addNumber("contextMaxCharacters");
  return json.field("provider", service.name).endObject().finish();
}

kj::String request(const Arguments& arguments, const Service& service) {
  auto query = chars(arguments.string("query"));
  JsonWriter json;
  json.beginObject().field("jsonrpc", "2.0").field("id", 1).field("method", "tools/call");
  json.key("params").beginObject().field("name", service.tool).key("arguments").beginObject();
  if (&service == &PARALLEL) {
    json.field("objective", query).key("search_queries").beginArray().value(query).endArray();
  } else {
    auto textOr = [&](kj::StringPtr name, kj::StringPtr absent) {
      auto& given = arguments.string(name);
      json.field(name, given.empty() ? absent.asArray() : chars(given));
    };
    json.field("query", query);
    textOr("type", "auto");
    auto results = arguments.real("numResults", 0);
    json.field("numResults", results == 0 ? DEFAULT_RESULTS : results);
    textOr("livecrawl", "fallback");
    json.key("contextMaxCharacters");
    if (arguments.has("contextMaxCharacters")) {
      json.value(arguments.real("contextMaxCharacters", 0));
    } else {
      json.value(nullptr);
    }
  }
  return json.endObject().endObject().endObject().finish();
}

// The first text in an answer of JSON-RPC. Throws Refusal for what is none.
kj::Maybe<kj::String> textIn(std::string_view json, const Service& service) {
  KJ_IF_MAYBE (answer, tryParseJson(kj::arrayPtr(json.data(), json.size()))) {
    KJ_IF_MAYBE (error, getObject(*answer, "error")) {
      auto reason = getString(*error, "message").orDefault("it failed");
      throw Refusal{kj::str(service.tool, ": ", chars(std::string_view(view(reason)).substr(0, REASON_BYTES)))};
    }
    KJ_IF_MAYBE (result, getObject(*answer, "result")) {
      KJ_IF_MAYBE (content, getArray(*result, "content")) {
        for (auto& item : content->GetArray()) {
          KJ_IF_MAYBE (text, getString(item, "text")) {
            if (text->size() > 0) return kj::str(*text);
          }
        }
        return nullptr;
      }
    }
  }
  throw Refusal{kj::str(service.tool, ": what was answered is no search's result")};
}

// One answer, or a stream of events that holds it.
kj::Maybe<kj::String> searchResultIn(std::string_view body, const Service& service) {
  auto trimmed = trimBlanks(body);
  if (trimmed.starts_with("{")) return textIn(trimmed, service);
  constexpr std::string_view DATA = "data: ";
  while (!body.empty()) {
    auto end = body.find('\n');
    auto line = body.substr(0, end);
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    if (!line.starts_with(DATA)) continue;
    auto data = trimBlanks(line.substr(DATA.size()));
    if (!data.starts_with("{")) continue;
    KJ_IF_MAYBE (text, textIn(data, service)) return kj::mv(*text);
  }
  return nullptr;
}

}  // namespace

kj::Promise<ToolResult> runWebsearch(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto query = arguments.word("query", QUERY_BYTES);
    auto& service = arguments.string("provider") == "parallel" ? PARALLEL : EXA;
    passOrRefuse(co_await ask(ui, question("websearch", query, questionData(arguments, service))));

    auto timeoutText = kj::str(service.tool, " request timed out");
    FetchRequest fetch;
    fetch.url = view(service.url);
    fetch.accept = "application/json, text/event-stream"_kj;
    fetch.seconds = SEARCH_SECONDS;
    fetch.json = request(arguments, service);
    fetch.timeoutText = timeoutText;
    auto page = co_await fetchPage(context, fetch);
    if (page.status < 200 || page.status >= 300) throw Refusal{statusText(fetch, page.status)};

    ToolResult result;
    auto shown = validUtf8(chars(query).asBytes());
    result.title = kj::str(service.title, ": ", shown);
    auto found = searchResultIn(view(validUtf8(page.body)), service);
    result.output = kj::mv(found).orDefault(kj::str("No search results found. Please try a different query."));
    JsonWriter metadata;
    metadata.beginObject().field("provider", service.name).endObject();
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
