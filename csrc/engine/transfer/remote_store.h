// The object store every cloud shares: plans, sends, retries, resumes, verifies. A Dialect tells how to spell it.
#pragma once

#include <memory>
#include <optional>

#include "engine/credentials.h"
#include "engine/http/client.h"
#include "engine/object_store.h"
#include "engine/transfer/dialect/dialect.h"
#include "engine/tuning.h"

namespace s3dlio::transfer {

// `source` empty: unsigned requests. It is asked lazily, before credentials expire, and once on ExpiredToken.
std::shared_ptr<ObjectStore> make_remote_store(std::shared_ptr<Dialect> dialect, std::shared_ptr<http::Client> client,
                                               CredentialSource source, Tuning tuning);

}  // namespace s3dlio::transfer
