// Small things every verb needs: query strings and header values that cannot break out of their line.
#pragma once

#include <string>
#include <string_view>

#include "engine/crc/crc.h"
#include "engine/http/message.h"
#include "engine/store/s3/checksum_names.h"
#include "engine/text/percent.h"
#include "engine/transfer/dialect/dialect.h"

namespace s3dlio::s3 {

// The user metadata that names a write of ours. Hidden from callers' metadata.
constexpr std::string_view kWriteIdName = "s3dlio-write-id";

inline void add_query(http::Request& request, std::string_view name, std::string_view value) {
  if (!request.query.empty()) request.query += '&';
  request.query.append(name).append("=");
  text::append_encoded(request.query, value);
}

// A value from outside that no check has seen (etags, version ids): control characters are percent-encoded. Nothing the
// service stores has any, so it simply will not match.
std::string header_safe(std::string_view value);
bool has_control(std::string_view value);  // CR, LF, NUL and the like; tab is allowed

inline void add_header(http::Request& request, std::string_view name, std::string_view value) {
  if (!value.empty()) request.headers.add(std::string(name), header_safe(value));
}

inline void add_checksum(http::Request& request, const transfer::Checksum& checksum) {
  if (checksum.kind == ChecksumKind::kNone) return;
  request.headers.add(std::string(checksum_header(checksum.kind)), crc_to_base64(checksum.kind, checksum.value));
}

// If-None-Match and If-Match as the options ask.
void add_conditions(http::Request& request, const PutOptions& options);

// The checksum an answer's headers name, into `result`.
void read_stored_checksum(const http::ResponseHead& head, PutResult& result);

// A header's value; "" if there is none.
inline std::string_view header_of(const http::ResponseHead& head, std::string_view name) {
  return head.headers.find(name).value_or(std::string_view{});
}

}  // namespace s3dlio::s3
