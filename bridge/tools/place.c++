#include "tools/place.h"

#include "tools/paths.h"

namespace sandbridge {

// A workspace that is a link itself is where it says it is.
const kj::StringPtr PLACE_FUNCTION = R"sh(
place() {
  top=$root
  cd -P -- "$root" 2>/dev/null && top=$PWD
  if [ -L "$1" ] && [ ! -d "$1" ]; then
    place=$(readlink -f -- "$1")
  else
    up=$1
    missing=
    until cd -P -- "${up:-/}" 2>/dev/null; do
      missing=/${up##*/}$missing
      up=${up%/*}
    done
    place=${PWD%/}$missing
    place=${place:-/}
  fi
  case $place in
    "$top") place=$root ;;
    "$top"/*) place=$root${place#"$top"} ;;
  esac
}
)sh"_kj;

bool leadsOut(std::string_view root, std::string_view path, std::string_view place) {
  return !place.empty() && isInside(root, path) && !isInside(root, place);
}

}  // namespace sandbridge
