// Does the head of an answer promise the bytes that were asked for? Judged before one of them is received.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/http/message.h"
#include "engine/transfer/read/byte_range.h"

namespace s3dlio::transfer {

struct BodyShape {
  uint64_t skip = 0;   // bytes of the body before `start`, to be thrown away
  uint64_t start = 0;  // of the object
  uint64_t end = 0;    // past the last byte that is wanted; less than asked only at the object's end
  uint64_t total = 0;  // size of the object
};

// A 200 without a length: how large the object is shows with the end of its last chunk.
bool is_unsized(const http::ResponseHead& head);

// The body is named compressed. That may be how the object is stored ...
bool is_compressed(const http::ResponseHead& head);
// ... or it was done on the way, although "identity" was asked for: the length is gone then, or the etag was changed.
std::optional<Error> compressed_on_the_way(const http::ResponseHead& head);
Error compressed_error(const std::string& seen);

// `asked` none: the whole object was asked for. Errors: kProtocol, the answer does not fit the question (another start,
// end or total, no size); kRangeNotSatisfiable, a whole-object answer to a range that starts past its end.
Result<BodyShape> shape_of_answer(const http::ResponseHead& head, const std::optional<ByteRange>& asked);

}  // namespace s3dlio::transfer
