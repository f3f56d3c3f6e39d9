#include "native_store.h"

#include "engine/process/fork.h"
#include "errors.h"
#include "lifecycle.h"
#include "memory_view.h"

namespace s3dlio::python {

NativeStore::NativeStore(std::shared_ptr<ObjectStore> store, std::string prefix, std::string base_uri)
    : inner_store_(std::move(store)),
      inner_prefix_(std::move(prefix)),
      inner_base_uri_(std::make_shared<const std::string>(std::move(base_uri))),
      inner_generation_(fork_generation()) {}

NativeStore::~NativeStore() { close(); }

void NativeStore::close() {
  if (!inner_store_) return;
  if (inner_generation_ != fork_generation()) {  // its threads and locks stayed in the parent: leave it alone
    new std::shared_ptr<ObjectStore>(std::move(inner_store_));
    return;
  }
  const std::shared_ptr<ObjectStore> dropped = std::move(inner_store_);
  inner_store_.reset();
  const Unlocked unlocked;
  const_cast<std::shared_ptr<ObjectStore>&>(dropped).reset();
}

const std::shared_ptr<ObjectStore>& NativeStore::shared() const {
  if (!inner_store_) raise_error(ErrorCode::kClosed, "the store is closed");
  if (inner_generation_ != fork_generation()) raise_error(ErrorCode::kClosed, "the store was opened before fork()");
  return inner_store_;
}

std::string NativeStore::full_key(const std::string& prefix, nb::handle key) {
  if (!PyUnicode_Check(key.ptr())) {
    PyErr_Format(PyExc_TypeError, "key: expected a str, found a %s", type_name_of(key).c_str());
    throw nb::python_error();
  }
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(key.ptr(), &size);
  if (text == nullptr) {
    PyErr_Clear();
    raise_error(ErrorCode::kInvalidArgument, "the key is no UTF-8: it holds a lone surrogate");
  }
  // Below a prefix the empty key is that of the folder marker, an object of the prefix's own name, which listings hold.
  if (size == 0 && prefix.empty()) raise_error(ErrorCode::kInvalidArgument, "the key is empty");
  return prefix + std::string(text, static_cast<size_t>(size));
}

bool NativeStore::is_write(std::string_view operation) {
  return operation == "put" || operation == "open_writer" || operation == "copy";
}

// Reading and deleting a marker is what a user of a listing does; making one with a forgotten name is a mistake.
void NativeStore::refuse_empty_key() {
  raise_error(ErrorCode::kInvalidArgument, "the key is empty; expected a name below the store's prefix");
}

std::string NativeStore::key_below_prefix(std::string full) const {
  if (full.starts_with(inner_prefix_)) full.erase(0, inner_prefix_.size());
  return full;
}

}  // namespace s3dlio::python
