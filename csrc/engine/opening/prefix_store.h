// A store below a prefix of another one: keys go in with the prefix in front of them and come out without it.
#pragma once

#include <memory>
#include <string>

#include "engine/object_store.h"

namespace s3dlio {

// `prefix` ends with "/". The empty key is the folder's marker, an object of the prefix's own name: it may be read and
// deleted, and writing it is kInvalidArgument, because what makes one is a forgotten name.
std::shared_ptr<ObjectStore> make_prefix_store(std::shared_ptr<ObjectStore> store, std::string prefix);

}  // namespace s3dlio
