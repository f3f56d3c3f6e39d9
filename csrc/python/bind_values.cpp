// What the engine answers with: ObjectMeta, PutResult, BucketInfo.
#include <nanobind/operators.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "bind.h"
#include "engine/transfer/dialect/etag.h"
#include "errors.h"
#include "values.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

ChecksumKind checksum_kind_of(const std::string& name) {
  for (const ChecksumKind kind :
       {ChecksumKind::kNone, ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme}) {
    if (name == crc_name(kind)) return kind;
  }
  raise_error(ErrorCode::kInvalidArgument, "checksum \"" + name + "\": expected crc64nvme, crc32c, crc32 or none");
}

std::string repr_of(nb::handle text) { return nb::cast<std::string>(nb::str(nb::repr(text))); }
std::string repr_of(const std::string& text) { return repr_of(nb::cast(text)); }

auto fields_of(const Meta& self) {
  const ObjectMeta& meta = self.meta;
  return std::make_tuple(meta.key, meta.size, meta.etag, meta.version_id, meta.last_modified, meta.content_type,
                         meta.content_encoding, meta.storage_class, meta.server_side_encryption, meta.sse_kms_key_id,
                         std::string(crc_name(meta.checksum_kind)), meta.checksum, meta.user_metadata, self.uri());
}

auto fields_of(const PutResult& self) {
  return std::make_tuple(self.etag, self.version_id, self.size, std::string(crc_name(self.checksum_kind)),
                         self.checksum);
}

Meta meta_from(std::string key, uint64_t size, std::string etag, std::string version_id, double last_modified,
               std::string content_type, std::string content_encoding, std::string storage_class,
               std::string server_side_encryption, std::string sse_kms_key_id, const std::string& checksum_kind,
               std::string checksum, std::map<std::string, std::string> user_metadata, std::string uri) {
  if (uri.ends_with(key)) uri.resize(uri.size() - key.size());
  ObjectMeta meta;
  meta.key = std::move(key);
  meta.size = size;
  meta.etag = std::move(etag);
  meta.version_id = std::move(version_id);
  meta.last_modified = last_modified;
  meta.content_type = std::move(content_type);
  meta.content_encoding = std::move(content_encoding);
  meta.storage_class = std::move(storage_class);
  meta.server_side_encryption = std::move(server_side_encryption);
  meta.sse_kms_key_id = std::move(sse_kms_key_id);
  meta.checksum_kind = checksum_kind_of(checksum_kind);
  meta.checksum = std::move(checksum);
  meta.user_metadata = std::move(user_metadata);
  return Meta{std::move(meta), std::make_shared<const std::string>(std::move(uri))};
}

// The constructor's arguments, by position: what pickle stores.
template <class T>
nb::object reduce(nb::handle self) {
  return nb::make_tuple(nb::borrow(reinterpret_cast<PyObject*>(Py_TYPE(self.ptr()))),
                        nb::cast(fields_of(nb::cast<const T&>(self))));
}

void bind_meta(nb::module_& module) {
#define S3DLIO_FIELD(name, text) def_prop_ro(#name, [](const Meta& self) { return self.meta.name; }, text)
  nb::class_<Meta>(module, "ObjectMeta", "What a store knows about one object. Immutable.")
      .def(
          "__init__",
          [](Meta* self, std::string key, uint64_t size, std::string etag, std::string version_id, double last_modified,
             std::string content_type, std::string content_encoding, std::string storage_class,
             std::string server_side_encryption, std::string sse_kms_key_id, const std::string& checksum_kind,
             std::string checksum, std::map<std::string, std::string> user_metadata, std::string uri) {
            new (self) Meta(meta_from(std::move(key), size, std::move(etag), std::move(version_id), last_modified,
                                      std::move(content_type), std::move(content_encoding), std::move(storage_class),
                                      std::move(server_side_encryption), std::move(sse_kms_key_id), checksum_kind,
                                      std::move(checksum), std::move(user_metadata), std::move(uri)));
          },
          "key"_a, "size"_a, "etag"_a = "", "version_id"_a = "", "last_modified"_a = 0.0, "content_type"_a = "",
          "content_encoding"_a = "", "storage_class"_a = "", "server_side_encryption"_a = "", "sse_kms_key_id"_a = "",
          "checksum_kind"_a = "none", "checksum"_a = "", "user_metadata"_a = std::map<std::string, std::string>(),
          "uri"_a = "")
      .S3DLIO_FIELD(key, "Below the store's prefix.")
      .def_prop_ro("uri", &Meta::uri, "Scheme, bucket and whole key.")
      .S3DLIO_FIELD(size, "Bytes.")
      .S3DLIO_FIELD(etag, "As the service gives it, quotes included; \"\" where there is none.")
      .S3DLIO_FIELD(version_id, "\"\" where the bucket keeps no versions.")
      .S3DLIO_FIELD(last_modified, "Seconds since the epoch; 0.0: unknown.")
      .S3DLIO_FIELD(content_type, "\"\" in listings.")
      .S3DLIO_FIELD(content_encoding, "\"\" in listings.")
      .S3DLIO_FIELD(storage_class, "\"\": the standard one.")
      .S3DLIO_FIELD(server_side_encryption, "\"AES256\", \"aws:kms\", ... or \"\".")
      .S3DLIO_FIELD(sse_kms_key_id, "The key's ARN, for \"aws:kms\".")
      .def_prop_ro(
          "checksum_kind", [](const Meta& self) { return std::string(crc_name(self.meta.checksum_kind)); },
          "\"crc64nvme\", \"crc32c\", \"crc32\" or \"none\".")
      .S3DLIO_FIELD(checksum, "Base64, with \"-N\" behind it when it is one of parts' checksums.")
      .S3DLIO_FIELD(user_metadata, "What put() was given as `metadata`; empty in listings.")
      .def(
          "__eq__",
          [](const Meta& self, nb::handle other) -> nb::object {
            if (!nb::isinstance<Meta>(other)) return nb::borrow(Py_NotImplemented);
            return nb::bool_(fields_of(self) == fields_of(nb::cast<const Meta&>(other)));
          },
          "other"_a.none(), nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__",
           [](const Meta& self) { return nb::hash(nb::make_tuple(self.meta.key, self.meta.size, self.meta.etag)); })
      .def(
          "__reduce__", [](nb::handle self) { return reduce<Meta>(self); },
          nb::sig("def __reduce__(self) -> tuple[typing.Any, ...]"))
      .def("__repr__", [](const Meta& self) {
        return "ObjectMeta(key=" + repr_of(self.meta.key) + ", size=" + std::to_string(self.meta.size) +
               ", etag=" + repr_of(self.meta.etag) + ", uri=" + repr_of(self.uri()) + ")";
      });
#undef S3DLIO_FIELD
}

void bind_put_result(nb::module_& module) {
  nb::class_<PutResult>(module, "PutResult", "What the service answered to a finished write. Immutable.")
      .def(
          "__init__",
          [](PutResult* self, std::string etag, std::string version_id, uint64_t size, const std::string& checksum_kind,
             std::string checksum) {
            new (self) PutResult{std::move(etag), std::move(version_id), size, checksum_kind_of(checksum_kind),
                                 std::move(checksum)};
          },
          "etag"_a, "version_id"_a = "", "size"_a = 0, "checksum_kind"_a = "none", "checksum"_a = "")
      .def_ro("etag", &PutResult::etag, "As the service gives it, quotes included.")
      .def_ro("version_id", &PutResult::version_id, "\"\" where the bucket keeps no versions.")
      .def_ro("size", &PutResult::size, "Bytes.")
      .def_prop_ro(
          "checksum_kind", [](const PutResult& self) { return std::string(crc_name(self.checksum_kind)); },
          "\"crc64nvme\", \"crc32c\", \"crc32\" or \"none\".")
      .def_ro("checksum", &PutResult::checksum, "Base64.")
      .def(
          "__eq__",
          [](const PutResult& self, nb::handle other) -> nb::object {
            if (!nb::isinstance<PutResult>(other)) return nb::borrow(Py_NotImplemented);
            return nb::bool_(fields_of(self) == fields_of(nb::cast<const PutResult&>(other)));
          },
          "other"_a.none(), nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__",
           [](const PutResult& self) { return nb::hash(nb::make_tuple(self.etag, self.version_id, self.size)); })
      .def(
          "__reduce__", [](nb::handle self) { return reduce<PutResult>(self); },
          nb::sig("def __reduce__(self) -> tuple[typing.Any, ...]"))
      .def("__repr__", [](const PutResult& self) {
        return "PutResult(etag=" + repr_of(self.etag) + ", size=" + std::to_string(self.size) + ")";
      });
}

}  // namespace

Meta meta_of(ObjectMeta meta, const std::string& prefix, const std::shared_ptr<const std::string>& base_uri) {
  if (meta.key.starts_with(prefix)) meta.key.erase(0, prefix.size());
  return {std::move(meta), base_uri};
}

void bind_values(nb::module_& module) {
  module.def(
      "same_etag", [](const std::string& etag, const std::string& other) { return transfer::same_etag(etag, other); },
      "etag"_a, "other"_a,
      "Whether both name one generation, however they are spelt: quoted or not, weak or not, digests in either case.");
  bind_meta(module);
  bind_put_result(module);
  nb::class_<BucketInfo>(module, "BucketInfo", "A bucket of the account.")
      .def_ro("name", &BucketInfo::name, "As in its URI.")
      .def_ro("created", &BucketInfo::created, "Seconds since the epoch; 0.0: unknown.")
      .def("__repr__", [](const BucketInfo& self) { return "BucketInfo(name=" + repr_of(self.name) + ")"; });
  nb::class_<Page>(module, "ListPage", "One page of a listing.")
      .def_ro("objects", &Page::objects, nb::sig("def objects(self) -> list[ObjectMeta]"))
      .def_ro("common_prefixes", &Page::common_prefixes)
      .def_ro("continuation_token", &Page::continuation_token, "\"\" on the last page.");
}

}  // namespace s3dlio::python
