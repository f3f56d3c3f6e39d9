// Opens a store from its URI and options as text: the way for callers that have no Python to do it for them. The rules
// are those of s3dlio_core.open_store(), so that both open the same store in the same environment.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/credentials/variables.h"
#include "engine/object_store.h"

namespace s3dlio {

// Names are those of s3dlio_core's S3Options (s3:// only) and Tuning (every scheme). An empty value leaves an option to
// the environment. Sizes: "4096", "64k", "16MiB" (powers of 1024), "16MB" (powers of 1000); times: seconds, "2.5";
// truth: "1", "true", "yes", "on" and "0", "false", "no", "off"; customer_key: base64 of its 32 bytes.
using OpenOptions = std::map<std::string, std::string, std::less<>>;

// "s3://bucket/prefix/", "file:///folder/" or "direct:///folder/"; keys are below it, a missing slash at its end is
// added. Nothing is sent yet. The environment is read now, credentials are looked for at the first request (see
// credentials/chain.h). kInvalidArgument: a URI, option or variable that makes no sense; the message names it, and
// lists the valid ones where it is unknown.
Result<std::shared_ptr<ObjectStore>> open_store(std::string_view uri, const OpenOptions& options);

// What open_store() would open, setting by setting, as text; secrets are left out. "ca_bundle" and what else nobody
// gives is "".
Result<OpenOptions> effective_options(std::string_view uri, const OpenOptions& options, const Variables& variables);

}  // namespace s3dlio
