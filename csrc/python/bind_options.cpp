// What the engine is told: Tuning, S3Options, Credentials, PutOptions. s3dlio_core fills them from its typed
// dataclasses.
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "bind.h"
#include "engine/base/log.h"
#include "engine/credentials.h"
#include "engine/store/s3/s3_store.h"
#include "engine/tuning.h"
#include "errors.h"
#include "number.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;
using std::chrono::nanoseconds;

// An enum as the word Python writes for it.
template <class Enum, size_t Count>
struct Words {
  const char* field;
  std::array<std::pair<const char*, Enum>, Count> all;

  Enum parse(const std::string& word) const {
    std::string expected;
    for (const auto& [name, value] : all) {
      if (word == name) return value;
      expected += (expected.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    }
    raise_error(ErrorCode::kInvalidArgument,
                std::string(field) + ": found \"" + word + "\", expected one of " + expected);
  }
  const char* name(Enum wanted) const {
    for (const auto& [name, value] : all) {
      if (value == wanted) return name;
    }
    return "";
  }
};

constexpr Words<Verify, 2> kVerify{"verify", {{{"when_supported", Verify::kWhenSupported}, {"never", Verify::kNever}}}};
constexpr Words<ChecksumKind, 4> kChecksum{"upload_checksum",
                                           {{{"crc64nvme", ChecksumKind::kCrc64Nvme},
                                             {"crc32c", ChecksumKind::kCrc32c},
                                             {"crc32", ChecksumKind::kCrc32},
                                             {"none", ChecksumKind::kNone}}}};
constexpr Words<s3::Addressing, 3> kAddressing{
    "addressing",
    {{{"auto", s3::Addressing::kAuto}, {"path", s3::Addressing::kPath}, {"virtual", s3::Addressing::kVirtual}}}};
constexpr Words<s3::PayloadSigning, 3> kPayloadSigning{"payload_signing",
                                                       {{{"auto", s3::PayloadSigning::kAuto},
                                                         {"always", s3::PayloadSigning::kAlways},
                                                         {"never", s3::PayloadSigning::kNever}}}};
constexpr Words<s3::Encryption, 4> kEncryption{"sse",
                                               {{{"", s3::Encryption::kNone},
                                                 {"AES256", s3::Encryption::kS3},
                                                 {"aws:kms", s3::Encryption::kKms},
                                                 {"sse-c", s3::Encryption::kCustomerKey}}}};

double to_seconds(nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }
nanoseconds from_seconds(double seconds) {
  // About 290 years fit; the cap spares callers who mean "for ever" an overflow.
  if (!(seconds >= 0)) raise_error(ErrorCode::kInvalidArgument, "a duration is negative or not a number");
  return nanoseconds(static_cast<int64_t>(std::min(seconds, 1e9) * 1e9));
}

template <class T, class Enum, size_t Count>
auto word_property(nb::class_<T>& type, const char* name, Enum T::* field, const Words<Enum, Count>& words) {
  type.def_prop_rw(
      name, [field, &words](const T& self) { return std::string(words.name(self.*field)); },
      [field, &words](T& self, const std::string& word) { self.*field = words.parse(word); });
}

void bind_tuning(nb::module_& module) {
  nb::class_<Tuning> type(module, "Tuning", "The engine's Tuning; a fresh one holds its defaults.");
  type.def(nb::init<>())
      .def_rw("part_size", &Tuning::part_size)
      .def_rw("max_in_flight_bytes", &Tuning::max_in_flight_bytes)
      .def_rw("max_connections", &Tuning::max_connections)
      .def_rw("initial_connections", &Tuning::initial_connections)
      .def_rw("coalesce_gap", &Tuning::coalesce_gap)
      .def_rw("multipart_threshold", &Tuning::multipart_threshold)
      .def_rw("equal_parts", &Tuning::equal_parts)
      .def_rw("stall_floor_bytes", &Tuning::stall_floor_bytes)
      .def_rw("max_attempts", &Tuning::max_attempts)
      .def_rw("retry_budget", &Tuning::retry_budget)
      .def_rw("hedge", &Tuning::hedge)
      .def_rw("file_threads", &Tuning::file_threads)
      .def_rw("io_uring", &Tuning::io_uring)
      .def_rw("sync_writes", &Tuning::sync_writes);
  const auto duration = [&](const char* name, nanoseconds Tuning::* field) {
    type.def_prop_rw(
        name, [field](const Tuning& self) { return to_seconds(self.*field); },
        [field](Tuning& self, double seconds) { self.*field = from_seconds(seconds); });
  };
  duration("connect_timeout_seconds", &Tuning::connect_timeout);
  duration("first_byte_timeout_seconds", &Tuning::first_byte_timeout);
  duration("stall_window_seconds", &Tuning::stall_window);
  duration("operation_timeout_seconds", &Tuning::operation_timeout);
  duration("idle_timeout_seconds", &Tuning::idle_timeout);
  duration("backoff_base_seconds", &Tuning::backoff_base);
  duration("backoff_cap_seconds", &Tuning::backoff_cap);
  word_property(type, "verify", &Tuning::verify, kVerify);
  word_property(type, "upload_checksum", &Tuning::upload_checksum, kChecksum);
}

void bind_s3_options(nb::module_& module) {
  using s3::S3Options;
  nb::class_<S3Options> type(module, "S3Options");
  type.def(nb::init<>())
      .def_rw("bucket", &S3Options::bucket)
      .def_rw("region", &S3Options::region)
      .def_rw("endpoint_url", &S3Options::endpoint_url)
      .def_rw("unsigned_access", &S3Options::unsigned_access)
      .def_rw("requester_pays", &S3Options::requester_pays)
      .def_rw("kms_key_id", &S3Options::kms_key_id)
      .def_rw("expected_bucket_owner", &S3Options::expected_bucket_owner)
      .def_rw("dualstack", &S3Options::dualstack)
      .def_rw("fips", &S3Options::fips)
      .def(
          "set_customer_key",
          [](S3Options& self, const nb::bytes& key) {
            self.customer_key.assign(key.c_str(), key.size());
            add_secret(self.customer_key);
          },
          "key"_a);
  word_property(type, "addressing", &S3Options::addressing, kAddressing);
  word_property(type, "payload_signing", &S3Options::payload_signing, kPayloadSigning);
  word_property(type, "sse", &S3Options::encryption, kEncryption);
}

void bind_credentials(nb::module_& module) {
  nb::class_<Credentials>(module, "Credentials", "Write-only from Python: what went in shows nowhere.")
      .def(
          "__init__",
          [](Credentials* self, std::string access_key_id, std::string secret_access_key, std::string session_token,
             std::optional<double> expires_at) {
            add_secret(secret_access_key);
            if (!session_token.empty()) add_secret(session_token);
            new (self) Credentials{std::move(access_key_id), std::move(secret_access_key), std::move(session_token),
                                   expires_at};
          },
          "access_key_id"_a, "secret_access_key"_a, "session_token"_a = "", "expires_at"_a = nb::none())
      .def("__repr__", [](const Credentials&) { return "Credentials(***)"; });
}

void bind_put_options(nb::module_& module) {
  nb::class_<PutOptions>(module, "PutOptions")
      .def(nb::init<>())
      .def_rw("if_none_match", &PutOptions::if_none_match)
      .def_rw("if_match", &PutOptions::if_match)
      .def_rw("content_type", &PutOptions::content_type)
      .def_rw("content_encoding", &PutOptions::content_encoding)
      .def_rw("cache_control", &PutOptions::cache_control)
      .def_rw("content_disposition", &PutOptions::content_disposition)
      .def_rw("storage_class", &PutOptions::storage_class)
      .def_rw("metadata", &PutOptions::user_metadata)
      .def_prop_rw(
          "part_size", [](const PutOptions& self) { return self.part_size; },
          [](PutOptions& self, std::optional<Number> value) { self.part_size = get(value, "part_size"); },
          nb::for_setter(nb::arg("value").none()))
      .def_prop_rw(
          "expected_size", [](const PutOptions& self) { return self.expected_size; },
          [](PutOptions& self, std::optional<Number> value) { self.expected_size = get(value, "expected_size"); },
          nb::for_setter(nb::arg("value").none()));
}

}  // namespace

std::optional<Verify> verify_of(const std::string& word) {
  if (word.empty()) return std::nullopt;
  return kVerify.parse(word);
}

void bind_options(nb::module_& module) {
  bind_tuning(module);
  bind_s3_options(module);
  bind_credentials(module);
  bind_put_options(module);
}

}  // namespace s3dlio::python
