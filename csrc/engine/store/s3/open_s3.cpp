#include "engine/store/s3/s3_store.h"
#include "engine/transfer/remote_store.h"

namespace s3dlio::s3 {

Result<std::shared_ptr<ObjectStore>> open_s3(S3Options options, http::ClientOptions client, CredentialSource source,
                                             Tuning tuning) {
  client.connect_timeout = tuning.connect_timeout;
  client.idle_timeout = tuning.idle_timeout;
  client.max_connections = tuning.max_connections;
  if (options.unsigned_access) source = nullptr;
  auto dialect = make_s3_dialect(std::move(options), tuning.upload_checksum);
  if (!dialect.ok()) return dialect.error();
  auto http_client = http::make_client(std::move(client));
  if (!http_client.ok()) return http_client.error();
  return transfer::make_remote_store(*std::move(dialect), *std::move(http_client), std::move(source), tuning);
}

}  // namespace s3dlio::s3
