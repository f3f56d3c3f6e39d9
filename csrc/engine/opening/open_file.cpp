#include <utility>

#include "engine/opening/scheme.h"
#include "engine/opening/settings.h"
#include "engine/store/file/file_store.h"

namespace s3dlio::opening {

Result<Opening> resolve_file(const StoreUri& uri, const OpenOptions& options, const Variables& variables) {
  if (auto known = refuse_unknown(options, uri.scheme, {tuning_names()}); !known) return known.error();
  auto tuning = tuning_of(options, variables);
  if (!tuning) return tuning.error();
  std::string root = "/" + uri.prefix;
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();

  Opening opening;
  show(*tuning, opening.settings);
  opening.open = [files = file::FileOptions{std::move(root), uri.scheme == "direct", uri.scheme}, tuning = *tuning] {
    return file::open_file(files, tuning);
  };
  return opening;
}

}  // namespace s3dlio::opening
