// Reads and writes of open files, many in flight, on one of two engines: pread/pwrite on the worker threads, or
// io_uring. Private to store/file/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace s3dlio::file {

struct IoRequest {
  int fd = -1;
  bool is_write = false;
  uint64_t offset = 0;
  std::byte* data = nullptr;
  size_t size = 0;
  size_t enough = 0;       // done once this much has moved: less than `size` where an aligned read reaches past the end
  uint32_t alignment = 1;  // of offset and size, as O_DIRECT asks for it; 1 otherwise
  // Called once, on a thread of the engine, when nothing touches `data` any more: bytes moved (fewer than `enough` only
  // at the end of the file), or -errno. Interrupted and short calls have been continued.
  std::function<void(int64_t moved)> done;
};

class FileIo {
 public:
  virtual ~FileIo() = default;
  // Returns at once. Only from threads of ours (workers, or within done()): the kernel takes back what a thread has in
  // io_uring when that thread ends.
  virtual void submit(std::vector<IoRequest> batch) = 0;
  virtual std::string_view name() const = 0;
};

FileIo& thread_io();
// Does the work before submit() returns; for a batch not worth a change of thread. Only from a worker thread.
FileIo& inline_io();
// nullptr when this kernel, or this sandbox, has no io_uring; probed once in a process and counted.
FileIo* ring_io();

enum class IoEngine : uint8_t { kAuto, kThreads, kRing };
// Overrides what each store chooses; tests run everything on both. kRing falls back to the threads where there is no
// ring.
void force_io_engine(IoEngine engine);
// kAuto: the ring for O_DIRECT if `ring_wanted`, else the threads: reads that the page cache answers are copies, which
// the ring would make one after the other on the submitting thread.
FileIo& choose_io(bool direct, bool ring_wanted);

// What one system call did to a request. Shared by both engines.
class Progress {
 public:
  // Takes in the result of a call (bytes or -errno) that continued at moved(). True when the request is finished; then
  // result() is the answer. False: call again from moved().
  bool finished_after(const IoRequest& request, int64_t call_result);
  size_t moved() const { return inner_moved_; }
  int64_t result() const { return inner_result_; }

 private:
  size_t inner_moved_ = 0;  // where the next call goes on; a multiple of the alignment
  int64_t inner_result_ = 0;
};

}  // namespace s3dlio::file
