#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

namespace s3dlio_bench {

void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(2);
}

Options parse_options(int argc, char** argv) {
  Options options;
  const auto number = [](const std::string& text) { return static_cast<size_t>(std::stoull(text)); };
  const std::map<std::string, std::function<void(const std::string&)>> setters{
      {"--port", [&](const auto& text) { options.port = static_cast<uint16_t>(number(text)); }},
      {"--ca", [&](const auto& text) { options.ca = text; }},
      {"--target", [&](const auto& text) { options.target = text; }},
      {"--count", [&](const auto& text) { options.count = number(text); }},
      {"--size", [&](const auto& text) { options.size = number(text); }},
      {"--part", [&](const auto& text) { options.part = number(text); }},
      {"--connections", [&](const auto& text) { options.connections = number(text); }},
      {"--window", [&](const auto& text) { options.window = number(text); }},
      {"--repeats", [&](const auto& text) { options.repeats = static_cast<int>(number(text)); }},
      {"--fresh", [&](const auto& text) { options.fresh = text == "1"; }},
      {"--checksum", [&](const auto& text) { options.checksum = text; }},
      {"--sha256", [&](const auto& text) { options.sha256 = text == "1"; }},
  };
  for (int at = 1; at < argc; at += 2) {
    const auto setter = setters.find(argv[at]);
    if (setter == setters.end()) fail("unknown option " + std::string(argv[at]));
    if (at + 1 >= argc) fail(std::string(argv[at]) + " needs a value");
    setter->second(argv[at + 1]);
  }
  if (options.port == 0 || options.target.empty() || options.size == 0 || options.connections == 0) {
    fail("--port, --target, --size and --connections are needed");
  }
  return options;
}

std::string path_of(const Options& options, size_t object) {
  if (options.count == 0) return options.target;
  const std::string number = std::to_string(object);
  return options.target + std::string(8 - number.size(), '0') + number;
}

}  // namespace s3dlio_bench
