#include "lsp/server-kind.h"

#include "tools/paths.h"

namespace sandbridge::lsp {

namespace {

using Language = ServerKind::Language;

// Extensions, command lines and peculiarities as in OpenCode 1.18.33.
const Language C_FAMILY[] = {{".c"_kj, "c"_kj},     {".h"_kj, "cpp"_kj},   {".cpp"_kj, "cpp"_kj},
                             {".cc"_kj, "cpp"_kj},  {".cxx"_kj, "cpp"_kj}, {".c++"_kj, "cpp"_kj},
                             {".hpp"_kj, "cpp"_kj}, {".hh"_kj, "cpp"_kj},  {".hxx"_kj, "cpp"_kj},
                             {".h++"_kj, "cpp"_kj}};
const Language PYTHON[] = {{".py"_kj, "python"_kj}, {".pyi"_kj, "python"_kj}};
const Language JAVASCRIPT[] = {
    {".ts"_kj, "typescript"_kj},  {".mts"_kj, "typescript"_kj},      {".cts"_kj, "typescript"_kj},
    {".js"_kj, "javascript"_kj},  {".mjs"_kj, "javascript"_kj},      {".cjs"_kj, "javascript"_kj},
    {".jsx"_kj, "javascriptreact"_kj}, {".tsx"_kj, "typescriptreact"_kj}};
const Language GO[] = {{".go"_kj, "go"_kj}};

const kj::StringPtr CLANGD[] = {"clangd"_kj, "--background-index"_kj, "--clang-tidy"_kj};
const kj::StringPtr PYRIGHT[] = {"pyright-langserver"_kj, "--stdio"_kj};
const kj::StringPtr TYPESCRIPT[] = {"typescript-language-server"_kj, "--stdio"_kj};
const kj::StringPtr GOPLS[] = {"gopls"_kj};

const ServerKind KINDS[] = {
    {"clangd"_kj, CLANGD, C_FAMILY},
    {"pyright"_kj, PYRIGHT, PYTHON},
    {"typescript"_kj, TYPESCRIPT, JAVASCRIPT, true},
    {"gopls"_kj, GOPLS, GO},
};

}  // namespace

kj::ArrayPtr<const ServerKind> serverKinds() { return KINDS; }

kj::Maybe<KnownFile> serverFor(std::string_view path) {
  auto extension = extensionOf(path);
  for (auto& kind : KINDS) {
    for (auto& language : kind.languages) {
      if (language.extension == extension.c_str()) return KnownFile{kind, language.id};
    }
  }
  return nullptr;
}

}  // namespace sandbridge::lsp
