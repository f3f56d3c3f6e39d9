#include "engine/store/file/folder_entries.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include "engine/store/file/file_error.h"
#include "engine/store/file/key_path.h"
#include "engine/text/utf8.h"

namespace s3dlio::file {
namespace {

// 0: none of the kinds we know, or gone meanwhile.
unsigned char kind_of(int folder, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type;
  struct stat status;
  if (fstatat(folder, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
  return static_cast<unsigned char>(IFTODT(status.st_mode));
}

bool by_name(const Entry& a, const Entry& b) { return a.name < b.name; }

Error not_a_key(std::string_view name) {
  return make_error(ErrorCode::kUnsupported, "the name \"" + printable(name) +
                                                 "\" is not UTF-8, so no key can be it; rename it or take it out of "
                                                 "the folder");
}

}  // namespace

std::string printable(std::string_view name) {
  if (text::is_utf8(name)) return std::string(name);
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte < 0x7f) {
      text += c;
    } else {
      text.append("\\x").append(1, "0123456789abcdef"[byte >> 4]).append(1, "0123456789abcdef"[byte & 15]);
    }
  }
  return text;
}

Result<Unit> visit_folder(int fd, const std::function<bool(EntryKind, std::string_view)>& visit) {
  // A description of its own: the position in the folder belongs to it.
  const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return errno_error(errno, "reading a folder");
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(fdopendir(own), ::closedir);
  if (!folder) {
    const int error_number = errno;
    ::close(own);
    return errno_error(error_number, "reading a folder");
  }
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (!entry) return errno ? Result<Unit>(errno_error(errno, "reading a folder")) : Result<Unit>(Unit{});
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool go_on = true;
    switch (kind_of(own, *entry)) {
      case DT_REG:
        go_on = visit(EntryKind::kFile, name);
        break;
      case DT_DIR:
        go_on = visit(EntryKind::kFolder, name);
        break;
      case DT_LNK:
        go_on = visit(EntryKind::kLink, name);
        break;
      default:
        break;
    }
    if (!go_on) return Unit{};
  }
}

Result<FolderChunk> read_folder(int fd, size_t most, const std::function<bool(const Entry&)>& wanted) {
  FolderChunk chunk;
  std::vector<Entry>& entries = chunk.entries;
  const auto cut = [&] {  // keeps the smallest; linear, and done once in `most` names
    std::nth_element(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(most), entries.end(), by_name);
    entries.resize(most);
    chunk.complete = false;
  };
  std::optional<Error> unnamable;
  Result<Unit> visited = visit_folder(fd, [&](EntryKind kind, std::string_view name) {
    if (name.starts_with(kTemporaryPrefix)) return true;
    Entry entry{std::string(name), kind};
    if (kind == EntryKind::kFolder) entry.name += '/';
    const bool takes = wanted(entry);
    if (takes && !text::is_utf8(name)) unnamable = not_a_key(name);
    if (unnamable) return false;
    if (takes) entries.push_back(std::move(entry));
    if (entries.size() >= 2 * most) cut();
    return true;
  });
  if (!visited.ok()) return std::move(visited).error();
  if (unnamable) return *std::move(unnamable);
  if (entries.size() > most) cut();
  std::sort(entries.begin(), entries.end(), by_name);
  return chunk;
}

}  // namespace s3dlio::file
