// What the bare loops are asked to do.
#pragma once

#include <cstdint>
#include <string>

namespace s3dlio_bench {

struct Options {
  uint16_t port = 0;
  std::string ca;      // trusted certificate; with it the loop speaks TLS
  std::string target;  // "/bucket/key", or "/bucket/prefix" to which 8 digits are added when count > 0
  size_t count = 0;    // objects; 0: one object named by target itself
  size_t size = 0;     // bytes of each object
  size_t part = 0;     // bytes asked in one ranged request; 0: the whole object, without a range
  size_t connections = 8;
  size_t window = 0;  // bytes of memory used in turn; 0: as much as all the objects
  int repeats = 1;
  bool fresh = false;  // new, untouched memory for every repeat
  std::string checksum = "none";
  bool sha256 = false;  // hash every body as well, as signing its payload takes
};

// Writes what is wrong and ends the program with status 2 when the options do not hold.
Options parse_options(int argc, char** argv);
[[noreturn]] void fail(const std::string& why);

std::string path_of(const Options& options, size_t object);

}  // namespace s3dlio_bench
