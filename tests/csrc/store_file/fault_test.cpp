// F1..F6: every fault of the file system that must be survived, brought about by replaced system calls or a small real
// disk. Each of these fails when the handling it is about is taken out.
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "engine/store/file/worker_pool.h"
#include "helpers.h"
#include "sanitized.h"

using namespace s3dlio;
using namespace s3dlio::file;

namespace {

std::atomic<int> calls{0};      // of the replaced call
std::atomic<int> fail_at{-1};   // which of them fails; -1: none
std::atomic<int> fail_with{0};  // the errno
std::string victim;             // the file that is changed under a reader

bool must_fail() {
  if (calls.fetch_add(1) != fail_at) return false;
  errno = fail_with;
  return true;
}

void arm(int at, int with) {
  calls = 0;
  fail_at = at;
  fail_with = with;
}

const Flavour kThreads = kFlavours[0];
const Flavour kDirectThreads = kFlavours[2];
const Flavour kDirectRing = kFlavours[3];

bool has_ring() { return ring_io() != nullptr; }

}  // namespace

TEST_CASE("the temporary folder of these tests takes O_DIRECT, or the direct tests say little") {
  const TestFolder folder;
  const int fd = ::open((folder.path + "/probe").c_str(), O_CREAT | O_WRONLY | O_DIRECT, 0600);
  WARN(fd >= 0);
  WARN(has_ring());
  if (fd >= 0) ::close(fd);
}

TEST_CASE("F1: interrupted and short reads and writes are continued") {
  for (const Flavour& flavour : {kThreads, kDirectThreads}) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const auto data = random_bytes(6 * kMiB + 777);
    counters_reset();
    put(TestStore(folder.path, flavour), "probe", "x");
    const uint64_t refusals = counters().direct_fallbacks;  // 0 where the disk takes O_DIRECT
    const ReplacedSyscalls replaced;
    replaced->pwrite = [](int fd, const void* from, size_t size, off_t offset) -> ssize_t {
      switch (calls.fetch_add(1) % 4) {
        case 0:
          errno = EINTR;
          return -1;
        case 1:
          return ::pwrite(fd, from, size > 8192 ? size / 2 / 4096 * 4096 : size, offset);
        // Less than was written may be reported too: with O_DIRECT the next call must step back to an aligned place.
        case 2:
          return std::max<ssize_t>(::pwrite(fd, from, size, offset) - 100, 4096);
        default:
          return ::pwrite(fd, from, size, offset);
      }
    };
    replaced->pread = [](int fd, void* into, size_t size, off_t offset) -> ssize_t {
      switch (calls.fetch_add(1) % 4) {
        case 0:
          errno = EINTR;
          return -1;
        case 1:
          return ::pread(fd, into, size > 8192 ? size / 2 / 4096 * 4096 : size, offset);
        case 2: {
          const ssize_t got = ::pread(fd, into, size, offset);
          return got > 10000 ? got - 100 : got;
        }
        default:
          return ::pread(fd, into, size, offset);
      }
    };
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    for (int round = 0; round < 3; ++round) {
      must(store->put("k", data, {}));
      CHECK(same(must(store->get("k", {})).data.span(), data));
      std::vector<std::byte> out(3 * kMiB);
      must(store->get_into("k", 1000, out, {}));
      CHECK(same(out, std::span(data).subspan(1000, out.size())));
    }
    // Going on from an unaligned place would have been refused, and O_DIRECT given up for it.
    if (refusals == 0) CHECK(counters().direct_fallbacks == 0);
  }
}

TEST_CASE("F1: a short call is gone on with from an aligned place") {
  IoRequest request;
  request.size = 16384;
  request.enough = 16384;
  request.alignment = 4096;
  Progress progress;
  CHECK_FALSE(progress.finished_after(request, 5000));
  CHECK(progress.moved() == 4096);
  CHECK_FALSE(progress.finished_after(request, -EINTR));
  CHECK_FALSE(progress.finished_after(request, 4096 + 17));
  CHECK(progress.moved() == 8192);
  CHECK(progress.finished_after(request, 8192));
  CHECK(progress.result() == 16384);
  Progress ended;  // at the end of the file a read is short for good
  CHECK_FALSE(ended.finished_after(request, 5000));
  CHECK(ended.finished_after(request, 904));
  CHECK(ended.result() == 5000);
  request.is_write = true;
  Progress stuck;
  CHECK(stuck.finished_after(request, 0));
  CHECK(stuck.result() == -EIO);
}

TEST_CASE("F1: short and interrupted completions of io_uring are continued") {
  if (!has_ring()) return;
  const TestFolder folder;
  const auto data = random_bytes(6 * kMiB + 777);
  const ReplacedSyscalls replaced;
  replaced->ring_result = [](bool, int32_t result) -> int32_t {
    switch (calls.fetch_add(1) % 5) {
      case 0:
        return -EINTR;
      case 1:
        return result > 8192 ? result / 2 : result;
      case 2:
        return -EAGAIN;  // goes to the threads
      default:
        return result;
    }
  };
  const TestStore store(folder.path, kDirectRing, {.sync_writes = false});
  for (int round = 0; round < 3; ++round) {
    must(store->put("k", data, {}));
    CHECK(same(must(store->get("k", {})).data.span(), data));
  }
}

TEST_CASE("F2: O_DIRECT refused at open: buffered, counted, same bytes") {
  const TestFolder folder;
  const auto data = random_bytes(3 * kMiB + 5);
  const ReplacedSyscalls replaced;
  replaced->openat = [](int at, const char* path, int flags, mode_t mode) {
    if (flags & O_DIRECT) {
      errno = EINVAL;
      return -1;
    }
    return ::openat(at, path, flags, mode);
  };
  replaced->openat2 = [](int at, const char* path, const abi::OpenHow& how) {
    if (how.flags & O_DIRECT) {
      errno = EINVAL;
      return -1;
    }
    return real_syscalls().openat2(at, path, how);
  };
  const TestStore store(folder.path, kDirectRing);
  counters_reset();
  must(store->put("k", data, {}));
  CHECK(counters().direct_fallbacks == 1);
  CHECK(same(must(store->get("k", {})).data.span(), data));
  CHECK(counters().direct_fallbacks == 2);
  CHECK(counters().direct_reads == 0);
  CHECK(counters().direct_writes == 0);
  auto writer = must(store->open_writer("w", {}));
  must(writer->write(data));
  must(writer->close());
  CHECK(same(must(store->get("w", {})).data.span(), data));
}

TEST_CASE("F2: O_DIRECT refused by the file's own word: buffered, counted, same bytes") {
  const TestFolder folder;
  const auto data = random_bytes(kMiB + 5);
  const ReplacedSyscalls replaced;
  replaced->statx = [](int, unsigned, abi::Statx* into) {
    *into = {};
    into->mask = abi::kStatxDioAlign;
    return 0;
  };
  const TestStore store(folder.path, kDirectThreads);
  counters_reset();
  must(store->put("k", data, {}));
  CHECK(same(must(store->get("k", {})).data.span(), data));
  CHECK(counters().direct_fallbacks == 2);
  CHECK(counters().direct_reads == 0);
}

TEST_CASE("F2: O_DIRECT refused at the first read or write: buffered, counted, same bytes") {
  const TestFolder folder;
  const auto data = random_bytes(9 * kMiB + 5);
  const ReplacedSyscalls replaced;
  replaced->pread = [](int fd, void* into, size_t size, off_t offset) -> ssize_t {
    if (fcntl(fd, F_GETFL) & O_DIRECT) {
      errno = EINVAL;
      return -1;
    }
    return ::pread(fd, into, size, offset);
  };
  replaced->pwrite = [](int fd, const void* from, size_t size, off_t offset) -> ssize_t {
    if (fcntl(fd, F_GETFL) & O_DIRECT) {
      errno = EINVAL;
      return -1;
    }
    return ::pwrite(fd, from, size, offset);
  };
  // The ring's refusals are made up here; the threads, which take over, see the file as it is.
  static std::atomic<int> refusals{0};
  refusals = 2;
  replaced->ring_result = [](bool, int32_t result) { return refusals-- > 0 ? -EINVAL : result; };
  for (const Flavour& flavour : {kDirectThreads, kDirectRing}) {
    CAPTURE(flavour.name);
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    counters_reset();
    must(store->put("k", data, {}));
    CHECK(counters().direct_fallbacks >= 1);
    refusals = 2;
    CHECK(same(must(store->get("k", {})).data.span(), data));
    CHECK(counters().direct_fallbacks >= 2);
    std::vector<std::byte> out(2 * kMiB);
    must(store->get_into("k", 777, out, {}));
    CHECK(same(out, std::span(data).subspan(777, out.size())));
  }
}

TEST_CASE("F2: an unknown alignment is taken as 4096") {
  const TestFolder folder;
  const auto data = random_bytes(kMiB + 5);
  const ReplacedSyscalls replaced;
  replaced->statx = [](int, unsigned, abi::Statx*) {
    errno = ENOSYS;
    return -1;
  };
  const TestStore store(folder.path, kDirectThreads);
  must(store->put("k", data, {}));
  CHECK(same(must(store->get("k", {})).data.span(), data));
}

TEST_CASE("F3: io_uring refused: threads, counted, same bytes" * doctest::skip(kSanitized)) {
  // The probe is done once in a process: in a child nobody has probed yet.
  const TestFolder folder;
  for (const int refusal : {EPERM, ENOSYS, EMFILE}) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      alarm(20);
      fail_with = refusal;
      syscalls().io_uring_setup = [](unsigned, abi::RingParams*) {
        errno = fail_with;
        return -1;
      };
      counters_reset();
      const auto data = random_bytes(5 * kMiB + 3);
      const TestStore store(folder.path, {true, IoEngine::kAuto, ""});
      bool fine = store->put("k", data, {}).wait().ok();
      auto fetched = store->get("k", {}).wait();
      fine = fine && fetched.ok() && same(fetched->data.span(), data) && counters().io_uring_fallbacks == 1;
      _exit(fine && !ring_io() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}

TEST_CASE("F3: the switch keeps io_uring away") {
  CHECK(choose_io(true, false).name() == "threads");
  CHECK(choose_io(false, true).name() == "threads");
  if (has_ring()) CHECK(choose_io(true, true).name() == "io_uring");
  force_io_engine(IoEngine::kThreads);
  CHECK(choose_io(true, true).name() == "threads");
  force_io_engine(IoEngine::kAuto);
}

TEST_CASE("F4, F5: a full disk or a failing device at any step: the error, no temporary left, the old object intact") {
  const auto large = random_bytes(5 * kMiB + 9);
  struct Step {
    std::string name;
    void (*replace)(Syscalls&);
    bool after_rename = false;
  };
  const Step steps[] = {
      {"create",
       [](Syscalls& table) {
         table.openat = [](int at, const char* path, int flags, mode_t mode) {
           return (flags & O_CREAT) && must_fail() ? -1 : ::openat(at, path, flags, mode);
         };
       }},
      {"fallocate",
       [](Syscalls& table) {
         table.fallocate = [](int fd, int mode, off_t offset, off_t size) {
           return must_fail() ? -1 : ::fallocate(fd, mode, offset, size);
         };
       }},
      {"pwrite",
       [](Syscalls& table) {
         table.pwrite = [](int fd, const void* from, size_t size, off_t offset) {
           return must_fail() ? -1 : ::pwrite(fd, from, size, offset);
         };
         table.ring_result = [](bool is_write, int32_t result) {
           return is_write && must_fail() ? -fail_with : result;
         };
       }},
      {"ftruncate",
       [](Syscalls& table) {
         table.ftruncate = [](int fd, off_t size) { return must_fail() ? -1 : ::ftruncate(fd, size); };
       }},
      {"fdatasync",
       [](Syscalls& table) { table.fdatasync = [](int fd) { return must_fail() ? -1 : ::fdatasync(fd); }; }},
      {"fstat",
       [](Syscalls& table) {
         table.fstat = [](int fd, struct stat* into) { return must_fail() ? -1 : ::fstat(fd, into); };
       }},
      {"rename",
       [](Syscalls& table) {
         table.renameat2 = [](int a, const char* b, int c, const char* d, unsigned e) {
           return must_fail() ? -1 : real_syscalls().renameat2(a, b, c, d, e);
         };
       }},
      {"fsync of the folder",
       [](Syscalls& table) { table.fsync = [](int fd) { return must_fail() ? -1 : ::fsync(fd); }; }, true},
  };
  for (const Flavour& flavour : kFlavours) {
    for (const Step& step : steps) {
      for (const auto& failure : {std::pair{ENOSPC, ErrorCode::kNoSpace},
                                  {EDQUOT, ErrorCode::kNoSpace},
                                  {EROFS, ErrorCode::kAccessDenied},
                                  {EIO, ErrorCode::kIo}}) {
        const int number = failure.first;
        const ErrorCode code = failure.second;
        CAPTURE(flavour.name);
        const auto data = std::span(large).first(number == EIO ? 5 * kMiB + 9 : kMiB + 9);
        CAPTURE(step.name);
        CAPTURE(number);
        const TestFolder folder;
        const TestStore store(folder.path, flavour);
        put(store, "k", "old");
        const ReplacedSyscalls replaced;
        step.replace(syscalls());
        for (const bool streamed : {false, true}) {
          arm(0, number);
          Result<PutResult> result = Error{};
          if (streamed) {
            PutOptions options;
            options.expected_size = data.size();
            auto writer = store->open_writer("k", options);
            if (writer.ok()) {
              const auto written = (*writer)->write(data).wait();
              if (!written.ok()) CHECK(written.error().code == code);
              result = (*writer)->close().wait();
            } else {
              result = writer.error();
            }
          } else {
            result = store->put("k", data, {}).wait();
          }
          CHECK(calls > 0);
          REQUIRE(!result.ok());
          CHECK(result.error().code == code);
          CHECK(!result.error().operation.empty());
          CHECK(!result.error().uri.empty());
          const std::string& message = result.error().message;
          const bool tells_room = code == ErrorCode::kNoSpace && step.name != "fstat" && !step.after_rename;
          if (tells_room) CHECK(message.find("bytes free") != std::string::npos);
          // The text says one thing only.
          if (step.after_rename) CHECK(message.find("not changed") == std::string::npos);
          if (step.after_rename) CHECK(message.find("the new object is in place") != std::string::npos);
          fail_at = -1;
          for (int i = 0; i < 1000 && folder.temporaries() > 0; ++i) usleep(1000);
          CHECK(folder.temporaries() == 0);
          if (step.after_rename) {
            CHECK(same(must(store->get("k", {})).data.span(), data));
          } else {
            CHECK(get(store, "k") == "old");
          }
          // A device that fails while the name is given may have given it.
          const bool doubt = step.after_rename || (step.name == "rename" && number == EIO);
          CHECK(result.error().may_have_taken_effect == doubt);
          put(store, "k", "old");
        }
      }
    }
  }
}

TEST_CASE("F4: a failing later write of many stops the rest") {
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    Tuning tuning;
    tuning.sync_writes = false;
    tuning.file_threads = 1;  // one block at a time; io_uring has all of these in flight at once
    const TestStore store(folder.path, flavour, tuning);
    const auto data = random_bytes(40 * kMiB);
    const ReplacedSyscalls replaced;
    replaced->pwrite = [](int fd, const void* from, size_t size, off_t offset) {
      return must_fail() ? -1 : ::pwrite(fd, from, size, offset);
    };
    replaced->ring_result = [](bool is_write, int32_t result) { return is_write && must_fail() ? -fail_with : result; };
    arm(3, ENOSPC);
    CHECK(fails(store->put("k", data, {})).code == ErrorCode::kNoSpace);
    if (flavour.engine == IoEngine::kThreads) CHECK(calls == 4);
    CHECK(folder.temporaries() == 0);
    CHECK(!folder.exists("k"));
    fail_at = -1;
  }
}

TEST_CASE("F5: a failed sync is final: nobody asks the kernel a second time") {
  const TestFolder folder;
  const TestStore store(folder.path, kThreads);
  const ReplacedSyscalls replaced;
  replaced->fdatasync = [](int) {
    errno = EIO;
    calls++;
    return -1;
  };
  calls = 0;
  CHECK(fails(store->put("k", bytes_of("x"), {})).code == ErrorCode::kIo);
  CHECK(calls == 1);
}

TEST_CASE("syncing can be turned off, and only then is not done") {
  const TestFolder folder;
  const ReplacedSyscalls replaced;
  replaced->fdatasync = [](int) { return calls++, 0; };
  replaced->fsync = [](int) { return calls++, 0; };
  calls = 0;
  put(TestStore(folder.path, kThreads, {.sync_writes = false}), "k", "x");
  CHECK(calls == 0);
  put(TestStore(folder.path, kThreads), "k", "x");
  CHECK(calls == 2);
  put(TestStore(folder.path, kThreads), "new/deep/k", "x");
  CHECK(calls == 6);  // two folders were made: each is synced into its parent
}

TEST_CASE("F5: a device that fails while reading is an error, at whichever block") {
  for (const Flavour& flavour : kFlavours) {
    for (const int at : {0, 3}) {
      CAPTURE(flavour.name);
      const TestFolder folder;
      const TestStore store(folder.path, flavour, {.sync_writes = false});
      const auto data = random_bytes(20 * kMiB);
      must(store->put("k", data, {}));
      const ReplacedSyscalls replaced;
      replaced->pread = [](int fd, void* into, size_t size, off_t offset) {
        return must_fail() ? -1 : ::pread(fd, into, size, offset);
      };
      replaced->ring_result = [](bool is_write, int32_t result) {
        return !is_write && must_fail() ? -fail_with : result;
      };
      arm(at, EIO);
      const Error error = fails(store->get("k", {}));
      CHECK(error.code == ErrorCode::kIo);
      CHECK(error.message.find("reading at byte") != std::string::npos);
      fail_at = -1;
      CHECK(same(must(store->get("k", {})).data.span(), data));
    }
  }
}

TEST_CASE("F6: a file that is cut off, grown or written into while read is an error; a replaced one is read whole") {
  struct Change {
    std::string name;
    void (*make)();
    bool survives;
  };
  const Change changes[] = {
      {"cut off", [] { REQUIRE(::truncate(victim.c_str(), 1000) == 0); }, false},
      {"cut off by one byte", [] { REQUIRE(::truncate(victim.c_str(), 9 * kMiB - 1) == 0); }, false},
      {"grown", [] { std::ofstream(victim, std::ios::app) << "more"; }, false},
      {"written into",
       [] {
         const int fd = ::open(victim.c_str(), O_WRONLY);
         usleep(20000);  // another tick of the file system's clock
         REQUIRE(::pwrite(fd, "new", 3, 100) == 3);
         ::close(fd);
       },
       false},
      {"written into, and its time set back",
       [] {
         struct stat before;
         REQUIRE(::stat(victim.c_str(), &before) == 0);
         const int fd = ::open(victim.c_str(), O_WRONLY);
         REQUIRE(::pwrite(fd, "new", 3, 100) == 3);
         const timespec times[] = {before.st_atim, before.st_mtim};
         REQUIRE(::futimens(fd, times) == 0);
         ::close(fd);
       },
       false},
      {"replaced",
       [] {
         std::ofstream(victim + ".new") << "other";
         REQUIRE(::rename((victim + ".new").c_str(), victim.c_str()) == 0);
       },
       true},
      {"deleted", [] { REQUIRE(::unlink(victim.c_str()) == 0); }, true},
  };
  static void (*change_now)() = nullptr;
  const auto data = random_bytes(9 * kMiB);
  for (const Flavour& flavour : kFlavours) {
    for (const Change& change : changes) {
      for (const bool before_reading : {true, false}) {
        CAPTURE(flavour.name);
        CAPTURE(change.name);
        const TestFolder folder;
        const TestStore store(folder.path, flavour, {.sync_writes = false});
        must(store->put("k", data, {}));
        victim = folder.path + "/k";
        make_old(victim);
        const std::string etag = must(store->head("k", "")).etag;
        change_now = change.make;
        const ReplacedSyscalls replaced;
        calls = 0;
        if (before_reading) {  // right after the size was asked for
          replaced->fstat = [](int fd, struct stat* into) {
            const int result = ::fstat(fd, into);
            if (calls++ == 0) change_now();
            return result;
          };
        } else {  // after a block has been read
          replaced->pread = [](int fd, void* into, size_t size, off_t offset) {
            const ssize_t got = ::pread(fd, into, size, offset);
            if (calls++ == 0) change_now();
            return got;
          };
          replaced->ring_result = [](bool, int32_t result) {
            if (calls++ == 0) change_now();
            return result;
          };
        }
        std::vector<std::byte> out(data.size());
        const auto result = store->get_into("k", 0, out, {}).wait();
        CHECK(calls > 0);
        CHECK(result.ok() == change.survives);
        if (result.ok()) {
          CHECK(same(out, data));
          CHECK(result->etag == etag);
        } else {
          CHECK(result.error().code == ErrorCode::kPreconditionFailed);
        }
      }
    }
  }
}

TEST_CASE("F6: a source that changes while being copied is an error") {
  for (const bool kernel_copies : {true, false}) {
    const TestFolder folder;
    const TestStore store(folder.path, kThreads, {.sync_writes = false});
    must(store->put("k", random_bytes(9 * kMiB), {}));
    victim = folder.path + "/k";
    make_old(victim);
    const ReplacedSyscalls replaced;
    calls = 0;
    replaced->fstat = [](int fd, struct stat* into) {
      const int result = ::fstat(fd, into);
      if (calls++ == 0) REQUIRE(::truncate(victim.c_str(), 5000) == 0);
      return result;
    };
    if (!kernel_copies) {
      replaced->copy_file_range = [](int, off_t*, int, off_t*, size_t, unsigned) -> ssize_t {
        errno = ENOSYS;
        return -1;
      };
    }
    CHECK(fails(store->copy({.source_key = "k", .key = "to"}, {})).code == ErrorCode::kPreconditionFailed);
    CHECK(!folder.exists("to"));
    CHECK(folder.temporaries() == 0);
  }
}

TEST_CASE("file systems without RENAME_NOREPLACE or fallocate") {
  const TestFolder folder;
  const TestStore store(folder.path, kThreads);
  const ReplacedSyscalls replaced;
  replaced->renameat2 = [](int a, const char* b, int c, const char* d, unsigned flags) {
    if (flags == 0) return real_syscalls().renameat2(a, b, c, d, 0);
    errno = EINVAL;
    return -1;
  };
  replaced->fallocate = [](int, int, off_t, off_t) {
    errno = EOPNOTSUPP;
    return -1;
  };
  const auto data = random_bytes(3 * kMiB);
  must(store->put("k", data, {.if_none_match = true}));
  CHECK(same(must(store->get("k", {})).data.span(), data));
  auto late = must(store->open_writer("late", {.if_none_match = true}));
  put(store, "late", "first");
  CHECK(fails(late->close()).code == ErrorCode::kAlreadyExists);
  CHECK(get(store, "late") == "first");
  CHECK(folder.temporaries() == 0);
}

TEST_CASE("F4: a disk that is really full") {
  if (geteuid() != 0) {
    MESSAGE("skipped: only root can mount a small file system");
    return;
  }
  const TestFolder parent;
  std::filesystem::create_directory(parent.path + "/disk");
  const std::string disk = parent.path + "/disk";
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=8m") != 0) {
    MESSAGE("skipped: mounting a tmpfs is not allowed here");
    return;
  }
  struct Unmount {
    std::string at;
    ~Unmount() { ::umount2(at.c_str(), MNT_DETACH); }
  } unmount{disk};
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestStore store(disk, flavour);
    const auto small = random_bytes(2 * kMiB), large = random_bytes(12 * kMiB);
    must(store->put("k", small, {}));
    const Error error = fails(store->put("k", large, {}));
    CHECK(error.code == ErrorCode::kNoSpace);
    CHECK(error.message.find("bytes free") != std::string::npos);
    auto writer = must(store->open_writer("k", {}));
    Result<Unit> written = Unit{};
    for (int i = 0; i < 12 && written.ok(); ++i)
      written = writer->write(std::span(large).subspan(static_cast<size_t>(i) * kMiB, kMiB)).wait();
    CHECK(fails(writer->close()).code == ErrorCode::kNoSpace);
    CHECK(same(must(store->get("k", {})).data.span(), small));
    size_t left = 0;
    for (const auto& entry : std::filesystem::directory_iterator(disk)) left += entry.path().filename() != "k";
    CHECK(left == 0);
  }
}
