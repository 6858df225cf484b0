#include "tools/collate.h"

#include <algorithm>

namespace sandbridge {

namespace {

// ASCII in root collation order, letters last.
constexpr TextView ORDER = u"\t\n\v\f\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789";
constexpr uint32_t LETTERS = 100, OTHERS = 1000;

// The plain letters of U+00C0 to U+017F; '.' where there is none.
constexpr TextView LATIN =
    u"AAAAAA.CEEEEIIII.NOOOOO.OUUUUY..aaaaaa.ceeeeiiii.nooooo.ouuuuy.y"
    u"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiI...JjKk.LlLlLl."
    u".LlNnNnNn...OoOoOo..RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZz.";

struct Element {
  uint32_t primary;  // 0: ignored
  uint32_t secondary;
  bool upper;
};

void addLetter(std::vector<Element>& out, char16_t letter, uint32_t accent) {
  bool upper = letter >= u'A' && letter <= u'Z';
  out.push_back({LETTERS + uint32_t(upper ? letter - u'A' : letter - u'a'), accent, upper});
}

std::vector<Element> elements(TextView text) {
  std::vector<Element> out;
  for (size_t i = 0; i < text.size(); ++i) {
    char16_t c = text[i];
    if ((c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z')) {
      addLetter(out, c, 0);
    } else if (size_t place = ORDER.find(c); place != TextView::npos) {
      out.push_back({uint32_t(place) + 1, 0, false});
    } else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
      continue;
    } else if (c == 0xa0) {
      out.push_back({uint32_t(ORDER.find(u' ')) + 1, 1, false});
    } else if (c == 0xdf || c == 0x1e9e) {
      addLetter(out, u's', c);
      addLetter(out, u's', c);
    } else if (c == 0xc6 || c == 0xe6) {
      addLetter(out, c == 0xc6 ? u'A' : u'a', c | 0x20);
      addLetter(out, c == 0xc6 ? u'E' : u'e', 0);
    } else if (c == 0x152 || c == 0x153) {
      addLetter(out, c == 0x152 ? u'O' : u'o', 0x153);
      addLetter(out, c == 0x152 ? u'E' : u'e', 0);
    } else if (c >= 0x300 && c < 0x370) {
      if (!out.empty()) out.back().secondary = out.back().secondary * 256 + c;
    } else if (c >= 0xc0 && c < 0x180 && LATIN[c - 0xc0] != u'.') {
      // Upper and lower case of one accented letter differ in 0x20 below U+0100, in the last bit
      // above.
      uint32_t accent = c < 0x100 ? (c | 0x20) : (c | 1);
      addLetter(out, LATIN[c - 0xc0], accent);
    } else {
      out.push_back({OTHERS + c, 0, false});
    }
  }
  return out;
}

template <typename Weight>
int compareBy(const std::vector<Element>& a, const std::vector<Element>& b, Weight weight) {
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (weight(a[i]) != weight(b[i])) return weight(a[i]) < weight(b[i]) ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

}  // namespace

bool collatesBefore(TextView a, TextView b) {
  auto x = elements(a), y = elements(b);
  if (int order = compareBy(x, y, [](auto& e) { return e.primary; })) return order < 0;
  if (int order = compareBy(x, y, [](auto& e) { return e.secondary; })) return order < 0;
  if (int order = compareBy(x, y, [](auto& e) { return e.upper; })) return order < 0;
  return a < b;
}

}  // namespace sandbridge
