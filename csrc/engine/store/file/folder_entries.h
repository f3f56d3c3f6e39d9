// The names in one folder, in the order in which keys below it ascend. Private to store/file/.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace s3dlio::file {

enum class EntryKind : uint8_t { kFile, kFolder, kLink };

struct Entry {
  std::string name;  // a folder's ends in "/", so that plain byte order is key order: "a.txt" < "a/" < "a0"
  EntryKind kind = EntryKind::kFile;
};

// A name for a message: bytes that are no text as \xNN.
std::string printable(std::string_view name);

// Calls `visit` for each regular file, folder and symbolic link in the folder open at `fd`, in no order, temporaries
// included. It ends early when `visit` says false.
Result<Unit> visit_folder(int fd, const std::function<bool(EntryKind kind, std::string_view name)>& visit);

// The smallest `most` entries that `wanted` takes, ascending; temporaries are left out. `complete`: there are no
// others. kUnsupported for a name among them that is not UTF-8: no key can name it, and leaving it out would say that
// nothing is there.
struct FolderChunk {
  std::vector<Entry> entries;
  bool complete = true;
};
Result<FolderChunk> read_folder(int fd, size_t most, const std::function<bool(const Entry&)>& wanted);

}  // namespace s3dlio::file
