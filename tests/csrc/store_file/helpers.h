// What the tests of the file store share: a folder that vanishes, stores of both schemes on both engines, replaced
// system calls.
#pragma once

// Tests name only the options they are about: {.max_keys = 1}.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/memory/buffer.h"
#include "engine/stats/stats.h"
#include "engine/store/file/file_io.h"
#include "engine/store/file/file_store.h"
#include "engine/store/file/file_syscalls.h"

namespace s3dlio::file {

inline constexpr size_t kMiB = size_t{1} << 20;

class TestFolder {
 public:
  explicit TestFolder(const std::string& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = parent + "/s3dlio-file-test-XXXXXX";
    path = mkdtemp(pattern.data());
    REQUIRE(!path.empty());
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  void write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(path + "/" + name).parent_path());
    std::ofstream(path + "/" + name, std::ios::binary) << content;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool exists(const std::string& name) const { return std::filesystem::exists(path + "/" + name); }
  // Names in the root and below that belong to writes under way.
  size_t temporaries() const {
    size_t found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      found += entry.path().filename().string().starts_with(".s3dlio-tmp-");
    }
    return found;
  }
  std::string path;
};

struct Flavour {
  bool direct;
  IoEngine engine;
  std::string name;
};
inline const Flavour kFlavours[] = {{false, IoEngine::kThreads, "file, threads"},
                                    {false, IoEngine::kRing, "file, io_uring"},
                                    {true, IoEngine::kThreads, "direct, threads"},
                                    {true, IoEngine::kRing, "direct, io_uring"}};

// A store on one engine; the engine choice is undone at the end.
class TestStore {
 public:
  TestStore(const std::string& root, const Flavour& flavour, Tuning tuning = {}) {
    force_io_engine(flavour.engine);
    FileOptions options;
    options.root = root;
    options.direct = flavour.direct;
    options.scheme = flavour.direct ? "direct" : "file";
    auto opened = open_file(options, tuning);
    REQUIRE(opened.ok());
    inner_store_ = *opened;
  }
  ~TestStore() { force_io_engine(IoEngine::kAuto); }
  ObjectStore* operator->() const { return inner_store_.get(); }

 private:
  std::shared_ptr<ObjectStore> inner_store_;
};

class ReplacedSyscalls {  // gives the real ones back at the end
 public:
  ~ReplacedSyscalls() { syscalls() = real_syscalls(); }
  Syscalls* operator->() const { return &syscalls(); }
};

// As if it had been written ten seconds ago.
inline void make_old(const std::string& path) {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec -= 10;
  const timespec times[] = {now, now};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

inline std::vector<std::byte> random_bytes(size_t size, unsigned seed = 1) {
  std::vector<std::byte> bytes(size);
  std::mt19937_64 random(seed);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t value = random();
    std::memcpy(bytes.data() + i, &value, 8);
  }
  for (size_t i = size / 8 * 8; i < size; ++i) bytes[i] = std::byte(random());
  return bytes;
}

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

template <class T>
T must(Result<T> result) {
  if (!result.ok()) FAIL(name_of(result.error().code) << ": " << result.error().message);
  return std::move(result).value();
}
template <class T>
T must(Future<T> future) {
  return must(future.wait());
}
template <class T>
Error fails(Result<T> result) {
  REQUIRE(!result.ok());
  CHECK(!result.error().message.empty());
  return std::move(result).error();
}
template <class T>
Error fails(Future<T> future) {
  return fails(future.wait());
}

inline PutResult put(const TestStore& store, const std::string& key, const std::string& text, PutOptions options = {}) {
  return must(store->put(key, bytes_of(text), options));
}
inline std::string get(const TestStore& store, const std::string& key) {
  return text_of(must(store->get(key, {})).data.span());
}
inline uint64_t counter(const std::atomic<uint64_t>& value) { return value.load(); }

}  // namespace s3dlio::file
