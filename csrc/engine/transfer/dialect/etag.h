// ETags as different answers of one service spell them: quoted or not, weak or not, hexadecimal digits in either case.
#pragma once

#include <string>
#include <string_view>

namespace s3dlio::transfer {

// Whether both name one generation. "" names none.
bool same_etag(std::string_view a, std::string_view b);

// Spelt as HTTP's strong comparison wants it: "...", without W/. What is unquoted stays so, as that service has it.
std::string_view strong_etag(std::string_view etag);

// Whether it may stand in If-Match before a service that compares strictly and spells it as S3 does: quoted, not weak,
// digits in lower case, or "*".
bool matches_strictly(std::string_view etag);

}  // namespace s3dlio::transfer
