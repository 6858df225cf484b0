// What a language server in the sandbox prints: framed JSON-RPC, cut by the network wherever it likes.

#include "fuzz.h"

#include "base/error.h"
#include "lsp/framing.h"
#include "lsp/messages.h"

namespace sandbridge {
namespace {

using fuzz::require;

// The messages before the stream breaks, if it does.
kj::Vector<kj::String> parse(kj::ArrayPtr<const fuzz::Bytes> pieces, bool& broken) {
  lsp::MessageParser parser;
  kj::Vector<kj::String> messages;
  broken = false;
  for (auto& piece : pieces) {
    try {
      parser.feed(piece, messages);
    } catch (kj::Exception& e) {
      fuzz::requireOurs(e);
      broken = true;
      break;
    }
  }
  return messages;
}

void checkMessage(kj::StringPtr text) {
  auto maybe = tryParseJson(text);
  KJ_IF_MAYBE (json, maybe) {
    if (!json->IsObject()) return;
    kj::Maybe<lsp::Published> published;
    KJ_IF_MAYBE (params, getMember(*json, "params")) published = lsp::readPublished(*params);
    KJ_IF_MAYBE (p, published) {
      auto& file = p->file;
      require(file.path.starts_with('/') && isValidUtf8(kj::arrayPtr(file.path.data(), file.path.size())),
              "errors are of a file with an absolute path");
      require(file.list.size() <= lsp::ERRORS_KEPT + lsp::OTHERS_KEPT, "a list of errors is bounded");
      for (auto& one : file.list) {
        require(one.message.size() <= lsp::MESSAGE_BYTES + 16, "a message is bounded");
        require(isValidUtf8(kj::arrayPtr(one.message.data(), one.message.size())), "a message is valid UTF-8");
      }
      auto path = lsp::pathOf(lsp::uriOf(file.path));
      require(path.orDefault("") == file.path, "a path survives its way into a URI and back");
    }
  }
}

}  // namespace

void fuzz::test(Bytes bytes) {
  kj::Vector<Bytes> pieces;
  fuzz::Pieces cuts(bytes);
  for (;;) {
    KJ_IF_MAYBE (piece, cuts.next()) {
      pieces.add(*piece);
    } else {
      break;
    }
  }
  bool broken = false, brokenInPieces = false;
  auto whole = parse(kj::arrayPtr(&bytes, 1), broken);
  auto inPieces = parse(pieces, brokenInPieces);
  require(broken == brokenInPieces, "whether a stream is broken does not depend on where it is cut");
  if (!broken) {
    require(whole.size() == inPieces.size(), "messages do not depend on where the stream is cut");
    kj::Vector<char> again;
    for (auto i : kj::indices(whole)) {
      require(whole[i] == inPieces[i], "messages do not depend on where the stream is cut");
      again.addAll(lsp::frame(whole[i]));
    }
    auto framed = again.asPtr().asBytes();
    Bytes bytesAgain = framed;
    bool stillBroken = false;
    auto same = parse(kj::arrayPtr(&bytesAgain, 1), stillBroken);
    require(!stillBroken && same.size() == whole.size(), "messages that are framed again read the same");
  }
  for (auto& message : inPieces) checkMessage(message);
}

}  // namespace sandbridge
