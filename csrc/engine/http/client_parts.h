// A client from given parts: tests and simulations bring their own resolver.
#pragma once

#include <memory>

#include "engine/http/client.h"
#include "engine/net/resolver.h"

namespace s3dlio::http {

Result<std::shared_ptr<Client>> make_client_with(ClientOptions options, std::shared_ptr<net::Resolver> resolver);

}  // namespace s3dlio::http
