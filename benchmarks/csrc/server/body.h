// Reads a request's body off the wire: plain, chunked, or aws-chunked with trailers.
#pragma once

#include "message.h"
#include "wire.h"

namespace s3dlio_bench {

enum class BodyUse { kDocument, kKeep, kDiscard };

// Fills request.body (kDocument) or request.data, data_size, discarded (kKeep, kDiscard); trailers become headers.
// False: the connection broke or the framing did not hold; nothing more can be read from it.
bool read_body(Wire& wire, Request& request, BodyUse use);

}  // namespace s3dlio_bench
