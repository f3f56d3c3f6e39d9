#include "engine/credentials/json_strings.h"

#include <charconv>
#include <cstdint>
#include <utility>

namespace s3dlio {
namespace {

using Members = std::map<std::string, std::string, std::less<>>;

constexpr int kMostLevels = 32;

void append_utf8(std::string& out, uint32_t point) {
  const auto add = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    add(point);
  } else if (point < 0x800) {
    add(0xC0 | point >> 6);
    add(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    add(0xE0 | point >> 12);
    add(0x80 | (point >> 6 & 0x3F));
    add(0x80 | (point & 0x3F));
  } else {
    add(0xF0 | point >> 18);
    add(0x80 | (point >> 12 & 0x3F));
    add(0x80 | (point >> 6 & 0x3F));
    add(0x80 | (point & 0x3F));
  }
}

// Recursive descent; every step gives false where the text breaks the grammar.
class Reader {
 public:
  explicit Reader(std::string_view text) : inner_text_(text) {}

  bool read(Members& members) {
    skip_space();
    if (!object(&members, 1)) return false;
    skip_space();
    return inner_at_ == inner_text_.size();
  }

 private:
  char peek() const { return inner_at_ < inner_text_.size() ? inner_text_[inner_at_] : '\0'; }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++inner_at_;
    return true;
  }
  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++inner_at_;
  }

  bool object(Members* members, int level) {
    if (level > kMostLevels || !take('{')) return false;
    skip_space();
    if (take('}')) return true;
    do {
      skip_space();
      std::string name;
      if (!string(name)) return false;
      skip_space();
      if (!take(':')) return false;
      skip_space();
      if (members != nullptr && peek() == '"') {
        std::string value;
        if (!string(value)) return false;
        (*members)[std::move(name)] = std::move(value);
      } else if (!value(level)) {
        return false;
      }
      skip_space();
    } while (take(','));
    return take('}');
  }
  bool array(int level) {
    if (level > kMostLevels || !take('[')) return false;
    skip_space();
    if (take(']')) return true;
    do {
      skip_space();
      if (!value(level)) return false;
      skip_space();
    } while (take(','));
    return take(']');
  }
  bool value(int level) {
    std::string ignored;
    switch (peek()) {
      case '{':
        return object(nullptr, level + 1);
      case '[':
        return array(level + 1);
      case '"':
        return string(ignored);
      default:
        return word();
    }
  }
  bool word() {  // true, false, null or a number
    const size_t end = std::min(inner_text_.find_first_of(",}] \t\r\n", inner_at_), inner_text_.size());
    const std::string_view found = inner_text_.substr(inner_at_, end - inner_at_);
    inner_at_ = end;
    if (found == "true" || found == "false" || found == "null") return true;
    double number = 0;
    const auto parsed = std::from_chars(found.data(), found.data() + found.size(), number);
    return parsed.ec != std::errc::invalid_argument && parsed.ptr == found.data() + found.size();
  }
  bool string(std::string& out) {
    if (!take('"')) return false;
    while (inner_at_ < inner_text_.size()) {
      const char c = inner_text_[inner_at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        out.push_back(c);
      } else if (!escape(out)) {
        return false;
      }
    }
    return false;
  }
  bool escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
    const char letter = peek();
    ++inner_at_;
    if (letter != 'u') {
      const size_t at = letter == '\0' ? std::string_view::npos : kLetters.find(letter);
      if (at == std::string_view::npos) return false;
      out.push_back(kMeaning[at]);
      return true;
    }
    uint32_t point = 0;
    if (!hex(point)) return false;
    if (point >= 0xD800 && point < 0xDC00) {  // the first of a surrogate pair
      uint32_t low = 0;
      if (!take('\\') || !take('u') || !hex(low) || low < 0xDC00 || low > 0xDFFF) return false;
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xDC00 && point <= 0xDFFF) {
      return false;
    }
    append_utf8(out, point);
    return true;
  }
  bool hex(uint32_t& point) {
    const std::string_view digits = inner_text_.substr(std::min(inner_at_, inner_text_.size()), 4);
    inner_at_ += digits.size();
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), point, 16);
    return digits.size() == 4 && parsed.ptr == digits.data() + 4;
  }

  std::string_view inner_text_;
  size_t inner_at_ = 0;
};

}  // namespace

Result<Members> json_strings(std::string_view text) {
  Members members;
  if (!Reader(text).read(members)) return make_error(ErrorCode::kProtocol, "the answer is no JSON object");
  return members;
}

}  // namespace s3dlio
