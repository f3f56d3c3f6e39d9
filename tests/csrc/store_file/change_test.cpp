// F7, F8: files that are written to in place while they are read, and a ring that the kernel takes no more entries
// from.
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>

#include "helpers.h"
#include "sanitized.h"

using namespace s3dlio;
using namespace s3dlio::file;

namespace {

std::atomic<int> looks{0};
std::atomic<int> recent_looks{0};  // how many looks find that the file was written to just now
std::atomic<int> looks_before_reading{-1};
std::atomic<int> enters{0};
std::atomic<int> failing_enter{0};

ssize_t counted_pread(int fd, void* into, size_t size, off_t offset) {
  int none = -1;
  looks_before_reading.compare_exchange_strong(none, looks);
  return ::pread(fd, into, size, offset);
}

int recent_fstat(int fd, struct stat* into) {
  const int result = ::fstat(fd, into);
  if (looks++ < recent_looks) clock_gettime(CLOCK_REALTIME, &into->st_mtim);
  return result;
}

// Somebody who has the file open for writing: nobody else would be waited for where each change has a time of its own.
class OpenForWriting {
 public:
  explicit OpenForWriting(const std::string& path) : inner_fd_(::open(path.c_str(), O_WRONLY)) {
    REQUIRE(inner_fd_ >= 0);
  }
  ~OpenForWriting() { ::close(inner_fd_); }
  OpenForWriting(const OpenForWriting&) = delete;
  OpenForWriting& operator=(const OpenForWriting&) = delete;

 private:
  int inner_fd_;
};

bool is_uniform(std::span<const std::byte> bytes) {
  return bytes.empty() || std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

TEST_CASE("F7: a file that was written to just now is read when it has been left alone") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  folder.write("k", "content");
  make_old(folder.path + "/k");
  const OpenForWriting writer(folder.path + "/k");
  const ReplacedSyscalls replaced;
  replaced->fstat = recent_fstat;
  replaced->pread = counted_pread;
  looks = 0;
  recent_looks = 3;
  looks_before_reading = -1;
  CHECK(get(store, "k") == "content");
  CHECK(looks_before_reading == 4);
}

TEST_CASE("F7: a file that is never left alone is an error, and nothing of it is read") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  folder.write("k", "content");
  const OpenForWriting writer(folder.path + "/k");
  const ReplacedSyscalls replaced;
  replaced->fstat = recent_fstat;
  replaced->pread = counted_pread;
  looks = 0;
  recent_looks = 1'000'000;
  looks_before_reading = -1;
  const Error error = fails(store->get("k", {}));
  CHECK(error.code == ErrorCode::kPreconditionFailed);
  CHECK(error.message.find("is being written to") != std::string::npos);
  CHECK(looks_before_reading == -1);
}

TEST_CASE("F7: who has a file open for writing is waited for, others are not") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  folder.write("k", "content");
  make_old(folder.path + "/k");
  const ReplacedSyscalls replaced;
  replaced->fstat = [](int fd, struct stat* into) {  // written to 15 ms ago, for some looks
    const int result = ::fstat(fd, into);
    if (looks++ >= recent_looks) return result;
    timespec now = {};
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t then = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec - 15'000'000;
    into->st_mtim = {.tv_sec = then / 1'000'000'000, .tv_nsec = then % 1'000'000'000};
    return result;
  };
  replaced->pread = counted_pread;
  for (const bool open : {true, false}) {
    std::optional<OpenForWriting> writer;
    if (open) writer.emplace(folder.path + "/k");
    looks = 0;
    recent_looks = 5;
    looks_before_reading = -1;
    const auto read = store->get("k", {}).wait();
    CHECK(looks_before_reading == (open ? 6 : 1));
    CHECK(read.ok() == open);  // the times of the later looks are others here
  }
}

TEST_CASE("F7: the state asked for is compared after the wait") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  folder.write("k", "content");
  make_old(folder.path + "/k");
  const std::string etag = must(store->head("k", "")).etag;
  const OpenForWriting writer(folder.path + "/k");
  const ReplacedSyscalls replaced;
  replaced->fstat = recent_fstat;
  looks = 0;
  recent_looks = 2;
  GetOptions options;
  options.if_match = etag;
  CHECK(text_of(must(store->get("k", options)).data.span()) == "content");
}

TEST_CASE("F7: a change that is seen between two blocks is an error, also when it cannot be seen afterwards") {
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    must(store->put("k", random_bytes(9 * kMiB), {}));
    make_old(folder.path + "/k");
    const ReplacedSyscalls replaced;
    looks = 0;
    replaced->fstat = [](int fd, struct stat* into) {  // cut off at the second look, and grown again
      const int result = ::fstat(fd, into);
      if (looks++ == 1) into->st_size = 0;
      return result;
    };
    std::vector<std::byte> out(9 * kMiB);
    CHECK(fails(store->get_into("k", 0, out, {})).code == ErrorCode::kPreconditionFailed);
    CHECK(looks >= 3);
  }
}

TEST_CASE("F7: what is read while another program writes in place is one state or an error") {
  constexpr size_t kSize = 2 * kMiB;
  for (const bool cut : {false, true}) {
    for (const Flavour& flavour : {kFlavours[0], kFlavours[3]}) {
      CAPTURE(flavour.name);
      CAPTURE(cut);
      const TestFolder folder;
      const TestStore store(folder.path, flavour, {.sync_writes = false});
      const std::string path = folder.path + "/k";
      folder.write("k", std::string(kSize, 'a'));
      std::atomic<bool> stop{false};
      std::thread writer([&] {
        for (char letter = 'a'; !stop; letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1)) {
          const std::string content(kSize, letter);
          const int fd = ::open(path.c_str(), O_WRONLY | (cut ? O_TRUNC : 0));
          const bool written = ::pwrite(fd, content.data(), kSize, 0) == ssize_t{kSize};
          ::close(fd);
          if (!written) break;
          std::this_thread::sleep_for(std::chrono::milliseconds(8));
        }
      });
      const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(400);
      int whole = 0, mixed = 0, refused = 0;
      while (std::chrono::steady_clock::now() < limit) {
        auto read = store->get("k", {}).wait();
        if (!read.ok()) {
          CHECK(read.error().code == ErrorCode::kPreconditionFailed);
          ++refused;
        } else {
          ++(is_uniform(read->data.span()) && (cut || read->data.size() == kSize) ? whole : mixed);
        }
      }
      stop = true;
      writer.join();
      CHECK(mixed == 0);
      CHECK(whole + refused > 0);
    }
  }
}

TEST_CASE("files whose size is not true are refused, not read as empty") {
  const TestStore store("/proc", kFlavours[0]);
  const Error error = fails(store->get("cpuinfo", {}));
  CHECK(error.code == ErrorCode::kUnsupported);
  CHECK(error.message.find("says that it has 0 bytes") != std::string::npos);
  const TestFolder folder;
  const TestStore target(folder.path, kFlavours[0]);
  CHECK(fails(target->copy({.source_bucket = "/proc", .source_key = "cpuinfo", .key = "k"}, {})).code ==
        ErrorCode::kUnsupported);
  CHECK(!folder.exists("k"));
  folder.write("empty", "");
  for (const Flavour& flavour : kFlavours) CHECK(get(TestStore(folder.path, flavour), "empty").empty());
}

TEST_CASE("F8: a ring that the kernel takes no more from: threads take over, every call ends with the right bytes" *
          doctest::skip(kSanitized)) {
  if (ring_io() == nullptr) return;
  const TestFolder folder;
  for (const int at : {0, 1, 5}) {
    CAPTURE(at);
    const pid_t child = fork();  // a ring that is given up stays so in its process
    REQUIRE(child >= 0);
    if (child == 0) {
      alarm(20);
      failing_enter = at;
      enters = 0;
      syscalls().io_uring_enter = [](int fd, unsigned submit_count, unsigned wait_count, unsigned flags) {
        if (submit_count > 0 && enters++ >= failing_enter) {
          errno = EINVAL;
          return -1;
        }
        return real_syscalls().io_uring_enter(fd, submit_count, wait_count, flags);
      };
      counters_reset();
      const auto data = random_bytes(40 * kMiB + 3);
      const TestStore store(folder.path, {true, IoEngine::kRing, ""}, {.sync_writes = false});
      bool fine = store->put("k", data, {}).wait().ok();
      for (int i = 0; i < 3 && fine; ++i) {
        auto fetched = store->get("k", {}).wait();
        fine = fetched.ok() && same(fetched->data.span(), data);
      }
      _exit(fine && counters().io_uring_fallbacks == 1 ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}
