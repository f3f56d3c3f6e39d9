#include "engine/open.h"

#include "engine/opening/scheme.h"

namespace s3dlio {
namespace {

using opening::Opening;

Result<Opening> resolved(std::string_view uri, const OpenOptions& options, const Variables& variables) {
  auto parsed = opening::parse_store_uri(uri);
  if (!parsed) return parsed.error();
  return opening::scheme_of(parsed->scheme)->resolve(*parsed, options, variables);
}

Error named(Error error, std::string_view uri) {
  error.operation = "open";
  error.uri = uri;
  return error;
}

}  // namespace

Result<std::shared_ptr<ObjectStore>> open_store(std::string_view uri, const OpenOptions& options) {
  auto opening = resolved(uri, options, Variables::of_process());
  if (!opening) return named(std::move(opening).error(), uri);
  auto store = opening->open();
  if (!store) return named(std::move(store).error(), uri);
  return store;
}

Result<OpenOptions> effective_options(std::string_view uri, const OpenOptions& options, const Variables& variables) {
  auto opening = resolved(uri, options, variables);
  if (!opening) return named(std::move(opening).error(), uri);
  return std::move(opening->settings);
}

}  // namespace s3dlio
