// What every operation of one file store shares. Private to store/file/.
#pragma once

#include <cstdint>
#include <string>

#include "engine/store/file/block_plan.h"
#include "engine/store/file/file_io.h"
#include "engine/tuning.h"

namespace s3dlio::file {

struct Context {
  std::string root;    // absolute, without a slash at the end ("" for "/")
  std::string scheme;  // for URIs
  bool direct = false;
  Tuning tuning;

  std::string root_path() const { return root.empty() ? "/" : root; }
};

// How a transfer of `total_bytes` is cut and how much of it is in flight.
struct Depth {
  size_t block_bytes;
  uint32_t lanes;
};
Depth depth_for(const Context& context, const FileIo& io, uint64_t total_bytes);

}  // namespace s3dlio::file
