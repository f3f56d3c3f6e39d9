#include "engine/text/xml.h"

#include <charconv>

namespace s3dlio::text {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool ends_name(char c) { return is_space(c) || c == '/' || c == '>' || c == '<' || c == '=' || c == '"' || c == '\''; }

std::string_view local_name(std::string_view name) {
  const size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6)), put(0x80 | (c & 63));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 63)), put(0x80 | (c & 63));
  } else {
    put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 63)), put(0x80 | ((c >> 6) & 63)), put(0x80 | (c & 63));
  }
}

}  // namespace

XmlReader::XmlReader(std::string_view document) : inner_text_(document) {
  if (document.size() > kMaxBytes) fail("larger than 16 MiB");
  if (inner_text_.starts_with("\xEF\xBB\xBF")) inner_text_.remove_prefix(3);
}

void XmlReader::fail(std::string_view what) {
  if (!failed()) inner_failure_ = what;
  inner_at_ = inner_text_.size();
}

bool XmlReader::skip_past(std::string_view mark) {
  const size_t found = inner_text_.find(mark, inner_at_);
  if (found == std::string_view::npos) {
    fail("broken off");
    return false;
  }
  inner_at_ = found + mark.size();
  return true;
}

void XmlReader::push(std::string_view name) {
  if (inner_depth_ == kMaxDepth) return fail("nested deeper than 32 levels");
  inner_open_[inner_depth_++] = name;
}

void XmlReader::pop(std::string_view name) {
  if (inner_depth_ == 0 || inner_open_[inner_depth_ - 1] != name) return fail("end tag does not match its start tag");
  --inner_depth_;
}

bool XmlReader::decode_entity(std::string_view& rest) {
  const size_t end = rest.substr(0, 12).find(';');
  if (end == std::string_view::npos) return false;
  const std::string_view name = rest.substr(1, end - 1);
  rest.remove_prefix(end + 1);
  if (name == "amp") return inner_scratch_ += '&', true;
  if (name == "lt") return inner_scratch_ += '<', true;
  if (name == "gt") return inner_scratch_ += '>', true;
  if (name == "quot") return inner_scratch_ += '"', true;
  if (name == "apos") return inner_scratch_ += '\'', true;
  if (name.size() < 2 || name[0] != '#') return false;
  const bool hex = name[1] == 'x' || name[1] == 'X';
  const char* first = name.data() + (hex ? 2 : 1);
  const char* last = name.data() + name.size();
  uint32_t code = 0;
  const auto parsed = std::from_chars(first, last, code, hex ? 16 : 10);
  if (parsed.ec != std::errc{} || parsed.ptr != last) return false;
  if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  append_utf8(inner_scratch_, code);
  return true;
}

void XmlReader::keep_text(std::string_view raw) {
  while (!raw.empty()) {
    const size_t ampersand = raw.find('&');
    inner_scratch_.append(raw.substr(0, ampersand));
    if (ampersand == std::string_view::npos) return;
    raw.remove_prefix(ampersand);
    if (!decode_entity(raw)) return fail("unknown or broken entity");
  }
}

bool XmlReader::skip_attributes(bool& empty) {
  empty = false;
  while (!at_end()) {
    const char c = inner_text_[inner_at_++];
    if (c == '>') return true;
    if (c == '<') break;
    if (c == '/' && !at_end() && inner_text_[inner_at_] == '>') {
      ++inner_at_;
      empty = true;
      return true;
    }
    if ((c == '"' || c == '\'') && !skip_past(std::string_view(&c, 1))) return false;
  }
  fail("broken tag");
  return false;
}

// At "<" followed by a name or "/".
XmlReader::Tag XmlReader::read_tag(std::string_view& name) {
  ++inner_at_;
  const bool closing = !at_end() && inner_text_[inner_at_] == '/';
  if (closing) ++inner_at_;
  const size_t start = inner_at_;
  while (!at_end() && !ends_name(inner_text_[inner_at_])) ++inner_at_;
  name = inner_text_.substr(start, inner_at_ - start);
  bool empty = false;
  if (name.empty()) fail("tag without a name");
  if (failed() || !skip_attributes(empty)) return Tag::kNone;
  if (closing) {
    if (empty) return fail("broken tag"), Tag::kNone;
    return Tag::kClose;
  }
  return empty ? Tag::kEmpty : Tag::kOpen;
}

XmlReader::Tag XmlReader::next_tag(bool keep, std::string_view& name) {
  while (!failed()) {
    const size_t open = inner_text_.find('<', inner_at_);
    const std::string_view raw = inner_text_.substr(inner_at_, open - inner_at_);
    if (raw.find('\0') != std::string_view::npos) fail("holds a NUL");
    if (keep) keep_text(raw);
    if (failed()) break;
    if (open == std::string_view::npos) {
      inner_at_ = inner_text_.size();
      if (inner_depth_ > 0) fail("broken off");
      return Tag::kNone;
    }
    inner_at_ = open;
    const std::string_view rest = inner_text_.substr(open);
    if (rest.starts_with("<?")) {
      skip_past("?>");
    } else if (rest.starts_with("<!--")) {
      inner_at_ += 4;
      skip_past("-->");
    } else if (rest.starts_with("<![CDATA[")) {
      const size_t start = open + 9;
      inner_at_ = start;
      if (skip_past("]]>") && keep) inner_scratch_.append(inner_text_.substr(start, inner_at_ - 3 - start));
    } else if (rest.starts_with("<!")) {
      fail("has a document type, which is refused");
    } else {
      return read_tag(name);
    }
  }
  return Tag::kNone;
}

std::string_view XmlReader::enter_root() {
  std::string_view name;
  const Tag tag = next_tag(false, name);
  if (failed()) return {};
  if (tag == Tag::kNone || tag == Tag::kClose) return fail("no root element"), std::string_view{};
  push(name);
  inner_pending_end_ = tag == Tag::kEmpty;
  return local_name(name);
}

bool XmlReader::next_child(std::string_view& name) {
  if (failed() || inner_depth_ == 0) return false;
  if (inner_pending_end_) {
    inner_pending_end_ = false;
    --inner_depth_;
    return false;
  }
  std::string_view full;
  const Tag tag = next_tag(false, full);
  if (tag == Tag::kNone) return false;
  if (tag == Tag::kClose) {
    pop(full);
    return false;
  }
  push(full);
  if (failed()) return false;
  inner_pending_end_ = tag == Tag::kEmpty;
  name = local_name(full);
  return true;
}

std::string_view XmlReader::text() {
  inner_scratch_.clear();
  if (failed() || inner_depth_ == 0) return {};
  if (inner_pending_end_) {
    inner_pending_end_ = false;
    --inner_depth_;
    return {};
  }
  const size_t outside = inner_depth_ - 1;
  while (!failed() && inner_depth_ > outside) {
    std::string_view name;
    switch (next_tag(inner_depth_ == outside + 1, name)) {
      case Tag::kOpen:
        push(name);
        break;
      case Tag::kClose:
        pop(name);
        break;
      case Tag::kEmpty:
      case Tag::kNone:
        break;
    }
  }
  return failed() ? std::string_view{} : std::string_view(inner_scratch_);
}

void XmlReader::skip() { text(); }

bool XmlReader::finish() {
  if (failed()) return false;
  if (inner_depth_ != 0) {
    fail("not read to its end");
    return false;
  }
  inner_scratch_.clear();
  std::string_view name;
  if (next_tag(true, name) != Tag::kNone) fail("more than one root element");
  if (inner_scratch_.find_first_not_of(" \t\r\n") != std::string::npos) fail("text after the root element");
  return !failed();
}

void append_xml(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;  // a bare one would be read as a line feed
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        out += c;
    }
  }
}

}  // namespace s3dlio::text
