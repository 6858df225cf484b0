// What a model wants changed in a file: edit and apply_patch, over files that hold anything.
// Input: the file, and after a line "====" the patch or old text, and after another the new text.

#include "fuzz.h"

#include "base/json.h"
#include "tools/diff.h"
#include "tools/patch.h"
#include "tools/replace.h"

namespace sandbridge {
namespace {

using fuzz::require;

void checkSplices(const DecodedFile& file, fuzz::Bytes old, const std::vector<Splice>& splices) {
  size_t end = 0;
  for (auto& splice : splices) {
    require(splice.start >= end && splice.start + splice.length <= file.text.size(),
            "changes are in order, apart, and in the file");
    end = splice.start + splice.length;
  }
  auto text = applySplices(file.text, splices);
  auto bytes = encodeFile(file, old, splices, file.bom);
  auto again = decodeFile(bytes);
  // Bytes that were apart may come together: two halves of a character, or what is now the first and looks like a mark.
  if (file.invalid.empty() && again.bom == file.bom) {
    auto wanted = encodeUtf8(text);
    require(encodeUtf8(again.text) == wanted, "the file holds what was to be written");
  }
  auto before = encodeUtf8(file.text), after = encodeUtf8(text);
  if (file.text.size() + text.size() < 20000) {
    auto counts = countChanges(file.text, text);
    require((counts.additions + counts.deletions == 0) == (file.text == text), "a change is counted, and only a change");
    auto diff = encodeUtf8(createPatch(u"/workspace/file", file.text, text));
    require(isValidUtf8(diff) && diff.startsWith("Index: ") && diff.endsWith("\n"), "a diff looks like one");
  }
}

void checkRefusal(const Refusal& refusal) {
  require(refusal.text.size() > 0 && isValidUtf8(refusal.text), "a refusal is a text of valid UTF-8");
}

size_t countOf(TextView text, TextView what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != TextView::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

void checkEdit(const DecodedFile& file, fuzz::Bytes old, TextView oldString, TextView newString) {
  for (bool all : {false, true}) {
    try {
      auto splices = findReplacements(file.text, oldString, newString, all);
      require(!splices.empty(), "what is found is replaced");
      checkSplices(file, old, splices);
      if (!oldString.empty() && countOf(file.text, oldString) == 1) {
        Text wanted(file.text);
        wanted.replace(wanted.find(oldString), oldString.size(), newString);
        require(applySplices(file.text, splices) == wanted, "what stands there once is what is replaced");
      }
    } catch (Refusal& refusal) {
      checkRefusal(refusal);
    }
  }
}

void checkPatch(const DecodedFile& file, fuzz::Bytes old, TextView patch) {
  try {
    for (auto& section : parsePatch(patch)) {
      require(!section.path.empty(), "a section names its file");
      require(section.kind == PatchSection::UPDATE || section.chunks.empty(), "only updates have chunks");
      if (section.kind != PatchSection::UPDATE) continue;
      checkSplices(file, old, applyChunks(file.text, section.chunks, "file"));
    }
  } catch (Refusal& refusal) {
    checkRefusal(refusal);
  }
}

}  // namespace

void fuzz::test(Bytes bytes) {
  auto parts = fuzz::parts(bytes);
  auto part = [&](size_t i) { return i < parts.size() ? parts[i].asBytes() : fuzz::Bytes(); };
  auto file = decodeFile(part(0));
  auto second = decodeUtf8(part(1)), third = decodeUtf8(part(2));
  checkPatch(file, part(0), second);
  if (second != third) checkEdit(file, part(0), second, third);
}

}  // namespace sandbridge
