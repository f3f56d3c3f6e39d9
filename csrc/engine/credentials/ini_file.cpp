#include "engine/credentials/ini_file.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace s3dlio {
namespace {

constexpr size_t kMostBytes = 4 << 20;

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return out;
}

Error cannot_be_read(std::string_view path, const std::string& reason) {
  return make_error(ErrorCode::kInvalidArgument,
                    "the AWS configuration file " + std::string(path) + " cannot be read: " + reason);
}

// Takes the lines one by one; false: the line belongs to nothing.
class Parser {
 public:
  bool take(std::string_view line) {
    const std::string_view text = trimmed(line);
    if (text.starts_with('#') || text.starts_with(';')) return true;
    if (text.empty()) {
      if (inner_value_ != nullptr) *inner_value_ += '\n';
      return true;
    }
    const auto indent = static_cast<size_t>(text.data() - line.data());
    if (inner_value_ != nullptr && indent > inner_indent_) {
      inner_value_->append("\n").append(text);
      return true;
    }
    inner_indent_ = indent;
    return text.front() == '[' ? begin_section(text) : begin_setting(text);
  }

  IniSections finish() {
    for (auto& [name, section] : inner_all_) {
      for (auto& [setting, value] : section) value = trimmed(value);
    }
    return std::move(inner_all_);
  }

 private:
  bool begin_section(std::string_view text) {
    const size_t close = text.rfind(']');
    if (close == std::string_view::npos || close == 1) return false;
    inner_section_ = &inner_all_[std::string(text.substr(1, close - 1))];
    inner_value_ = nullptr;
    return true;
  }
  bool begin_setting(std::string_view text) {
    const size_t mark = text.find_first_of("=:");
    if (inner_section_ == nullptr || mark == std::string_view::npos || mark == 0) return false;
    std::string& value = (*inner_section_)[lowered(trimmed(text.substr(0, mark)))];
    value = trimmed(text.substr(mark + 1));
    inner_value_ = &value;
    return true;
  }

  IniSections inner_all_;
  IniSection* inner_section_ = nullptr;
  std::string* inner_value_ = nullptr;  // that a further line may go on with
  size_t inner_indent_ = 0;             // of the line it began on
};

// Calls `use` with each line and its number until it says no; gives the number of that line, 0 where there was none.
template <class Use>
size_t each_line(std::string_view text, Use use) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (!use(text.substr(0, end))) return number;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return 0;
}

}  // namespace

Result<IniSections> parse_ini(std::string_view text, std::string_view path) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  Parser parser;
  const size_t bad = each_line(text, [&](std::string_view line) { return parser.take(line); });
  if (bad != 0) {
    return cannot_be_read(
        path, "line " + std::to_string(bad) + " is neither a [section], a \"name = value\" in one, nor a comment");
  }
  return parser.finish();
}

Result<std::optional<IniSections>> read_ini_file(const std::string& path) {
  std::error_code missing;
  if (!std::filesystem::is_regular_file(path, missing)) return std::optional<IniSections>();
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot_be_read(path, std::strerror(errno));
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return cannot_be_read(path, "reading it failed");
  if (text.size() > kMostBytes) return cannot_be_read(path, "it is larger than 4 MiB");
  auto sections = parse_ini(text, path);
  if (!sections) return sections.error();
  return std::optional<IniSections>(std::move(sections).value());
}

IniSection nested_settings(std::string_view value) {
  IniSection settings;
  each_line(value, [&](std::string_view line) {
    const size_t equals = line.find('=');
    if (equals != std::string_view::npos) {
      settings[std::string(trimmed(line.substr(0, equals)))] = trimmed(line.substr(equals + 1));
    }
    return true;
  });
  return settings;
}

}  // namespace s3dlio
