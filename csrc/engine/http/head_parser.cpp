#include "engine/http/head_parser.h"

#include <algorithm>
#include <utility>

#include "engine/http/text.h"

namespace s3dlio::http {
namespace {

constexpr size_t kTypicalHeaders = 16;
constexpr std::string_view kProtocolName = "HTTP/";

// Enough of a hostile text to recognise it in a log line, without its control characters.
std::string quoted(std::string_view text) {
  std::string shown(text.substr(0, 40));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return "'" + shown + "'";
}

}  // namespace

bool is_bodyless(std::string_view method, int status) { return method == "HEAD" || status == 204 || status == 304; }

HeadParser::Progress HeadParser::feed(std::string_view bytes, size_t& used) {
  used = 0;
  while (used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    const size_t newline = rest.find('\n');
    const size_t taken = newline == std::string_view::npos ? rest.size() : newline + 1;
    bytes_ += taken;
    if (bytes_ > kMaxHeadBytes) return fail("head is longer than " + std::to_string(kMaxHeadBytes) + " bytes");
    used += taken;
    if (newline == std::string_view::npos) {
      partial_.append(rest);
      // TLS, or whatever else listens there: refused at once, since its first line may never end.
      if (!have_status_ && !partial_.starts_with(kProtocolName.substr(0, partial_.size()))) return not_http(partial_);
      break;
    }
    std::string_view line = rest.substr(0, newline);
    std::string joined;
    if (!partial_.empty()) {
      joined = std::exchange(partial_, {});
      joined.append(line);
      line = joined;
    }
    const Progress progress = on_line(line);
    if (progress != Progress::kNeedMore) return progress;
  }
  return Progress::kNeedMore;
}

HeadParser::Progress HeadParser::on_line(std::string_view line) {
  if (++lines_ > kMaxHeadLines) return fail("head has more than " + std::to_string(kMaxHeadLines) + " lines");
  if (!have_status_ && !line.starts_with(kProtocolName)) return not_http(line);
  if (line.empty() || line.back() != '\r') {
    return fail("line " + quoted(line) + " does not end in CR LF");
  }
  line.remove_suffix(1);
  if (!std::all_of(line.begin(), line.end(), is_value_char)) return fail("control character in line " + quoted(line));
  if (!have_status_) return on_status_line(line);
  return line.empty() ? on_end() : on_header(line);
}

HeadParser::Progress HeadParser::on_status_line(std::string_view line) {
  constexpr std::string_view kVersion = "HTTP/1.";
  const bool sound = line.size() >= 12 && line.starts_with(kVersion) && (line[7] == '1' || line[7] == '0') &&
                     line[8] == ' ' && line[9] >= '1' && line[9] <= '5' && is_digit(line[10]) && is_digit(line[11]) &&
                     (line.size() == 12 || line[12] == ' ');
  if (!sound) return fail("not an HTTP/1.1 status line: " + quoted(line));
  have_status_ = true;
  version_1_0_ = line[7] == '0';
  head_.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  head_.reason = line.size() > 13 ? std::string(line.substr(13)) : std::string();
  head_.headers.reserve(kTypicalHeaders);
  return Progress::kNeedMore;
}

HeadParser::Progress HeadParser::on_header(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return fail("folded header line");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return fail("header line without a name: " + quoted(line));
  const std::string_view name = line.substr(0, colon);
  if (!std::all_of(name.begin(), name.end(), is_token_char)) return fail("header name " + quoted(name));
  head_.headers.add(std::string(name), std::string(trim_blanks(line.substr(colon + 1))));
  return Progress::kNeedMore;
}

HeadParser::Progress HeadParser::on_end() {
  if (head_.status == 101) return fail("switches to another protocol unasked");
  if (head_.status < 200) {
    head_ = ResponseHead();
    have_status_ = false;
    return Progress::kNeedMore;
  }
  return read_framing() ? Progress::kDone : Progress::kFailed;
}

// One length, or chunked, or neither. Two ways to find the end of a body are a way to smuggle one answer into another.
bool HeadParser::read_framing() {
  size_t lengths = 0;
  size_t codings = 0;
  std::string_view length;
  std::string_view coding;
  std::string_view connection;
  for (const auto& [name, value] : head_.headers) {
    if (equal_ignoring_case(name, "content-length")) {
      length = value;
      ++lengths;
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
      coding = value;
      ++codings;
    } else if (equal_ignoring_case(name, "connection")) {
      if (list_names(value, "close") || connection.empty()) connection = value;
    }
  }
  const auto refuse = [this](std::string reason) {
    fail(std::move(reason));
    return false;
  };
  if (lengths > 1) return refuse("more than one Content-Length");
  if (codings > 1) return refuse("more than one Transfer-Encoding");
  if (lengths > 0 && codings > 0) return refuse("both Content-Length and Transfer-Encoding");
  if (codings > 0) {
    if (version_1_0_ || !equal_ignoring_case(coding, "chunked")) return refuse("Transfer-Encoding " + quoted(coding));
    head_.chunked = true;
  }
  if (lengths > 0) {
    head_.content_length = length.empty() || !is_digit(length.front()) ? std::nullopt : parse_number(length);
    if (!head_.content_length) return refuse("Content-Length " + quoted(length));
  }
  head_.keep_alive = version_1_0_ ? list_names(connection, "keep-alive") : !list_names(connection, "close");
  return true;
}

HeadParser::Progress HeadParser::not_http(std::string_view line) {
  const bool tls = !line.empty() && (line[0] == '\x15' || line[0] == '\x16');  // an alert or handshake record
  return fail("not an HTTP answer: " + quoted(line) + (tls ? "; the server speaks TLS here, use https" : ""));
}

HeadParser::Progress HeadParser::fail(std::string reason) {
  error_ = make_error(ErrorCode::kProtocol, "broken answer: " + std::move(reason));
  return Progress::kFailed;
}

}  // namespace s3dlio::http
