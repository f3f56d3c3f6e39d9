#include "engine/store/s3/headers.h"

#include <algorithm>

#include "engine/transfer/dialect/etag.h"

namespace s3dlio::s3 {

bool has_control(std::string_view value) {
  return std::any_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

std::string header_safe(std::string_view value) {
  if (!has_control(value)) return std::string(value);
  std::string out;
  for (const char c : value) {
    if (has_control({&c, 1})) {
      text::append_encoded(out, {&c, 1});
    } else {
      out += c;
    }
  }
  return out;
}

void add_conditions(http::Request& request, const PutOptions& options) {
  if (options.if_none_match) request.headers.add("If-None-Match", "*");
  add_header(request, "If-Match", transfer::strong_etag(options.if_match));
}

void read_stored_checksum(const http::ResponseHead& head, PutResult& result) {
  for (const ChecksumKind kind : kChecksumKinds) {
    if (const auto value = head.headers.find(checksum_header(kind))) {
      result.checksum_kind = kind;
      result.checksum = *value;
      return;
    }
  }
}

}  // namespace s3dlio::s3
