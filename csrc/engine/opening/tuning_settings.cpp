#include <strings.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <variant>

#include "engine/opening/settings.h"
#include "engine/opening/values.h"

namespace s3dlio::opening {
namespace {

using std::chrono::nanoseconds;

constexpr Words<Verify, 2> kVerify{{{{"when_supported", Verify::kWhenSupported}, {"never", Verify::kNever}}}};
constexpr Words<ChecksumKind, 4> kChecksum{{{{"crc64nvme", ChecksumKind::kCrc64Nvme},
                                             {"crc32c", ChecksumKind::kCrc32c},
                                             {"crc32", ChecksumKind::kCrc32},
                                             {"none", ChecksumKind::kNone}}}};

using Member = std::variant<uint64_t Tuning::*, uint32_t Tuning::*, bool Tuning::*, nanoseconds Tuning::*,
                            Verify Tuning::*, ChecksumKind Tuning::*>;
struct Field {
  std::string_view name;
  Member member;
  uint64_t least = 0;
};
const std::array kFields = {
    Field{"part_size", &Tuning::part_size, 1},
    Field{"max_in_flight_bytes", &Tuning::max_in_flight_bytes, 1},
    Field{"max_connections", &Tuning::max_connections, 1},
    Field{"initial_connections", &Tuning::initial_connections, 1},
    Field{"coalesce_gap", &Tuning::coalesce_gap},
    Field{"multipart_threshold", &Tuning::multipart_threshold},
    Field{"equal_parts", &Tuning::equal_parts},
    Field{"connect_timeout_seconds", &Tuning::connect_timeout},
    Field{"first_byte_timeout_seconds", &Tuning::first_byte_timeout},
    Field{"stall_floor_bytes", &Tuning::stall_floor_bytes},
    Field{"stall_window_seconds", &Tuning::stall_window},
    Field{"operation_timeout_seconds", &Tuning::operation_timeout},
    Field{"idle_timeout_seconds", &Tuning::idle_timeout},
    Field{"max_attempts", &Tuning::max_attempts, 1},
    Field{"retry_budget", &Tuning::retry_budget},
    Field{"backoff_base_seconds", &Tuning::backoff_base},
    Field{"backoff_cap_seconds", &Tuning::backoff_cap},
    Field{"hedge", &Tuning::hedge},
    Field{"verify", &Tuning::verify},
    Field{"upload_checksum", &Tuning::upload_checksum},
    Field{"file_threads", &Tuning::file_threads, 1},
    Field{"io_uring", &Tuning::io_uring},
    Field{"sync_writes", &Tuning::sync_writes},
};

// Reads `text` into one member; `name` is the option or the variable, for the messages.
struct Setter {
  Tuning& tuning;
  std::string_view name, text;
  uint64_t least;

  Result<Unit> operator()(uint64_t Tuning::* member) const { return set_number(member); }
  Result<Unit> operator()(uint32_t Tuning::* member) const { return set_number(member); }
  Result<Unit> operator()(bool Tuning::* member) const { return set(member, parse_truth(name, text)); }
  Result<Unit> operator()(nanoseconds Tuning::* member) const { return set(member, parse_seconds(name, text)); }
  Result<Unit> operator()(Verify Tuning::* member) const { return set(member, kVerify.parse(name, text)); }
  Result<Unit> operator()(ChecksumKind Tuning::* member) const { return set(member, kChecksum.parse(name, text)); }

 private:
  template <class T>
  Result<Unit> set(T Tuning::* member, Result<T> value) const {
    if (!value) return value.error();
    tuning.*member = *value;
    return Unit{};
  }
  template <class T>
  Result<Unit> set_number(T Tuning::* member) const {
    const auto value = parse_size(name, text);
    if (!value) return value.error();
    if (*value < least) {
      return make_error(ErrorCode::kInvalidArgument,
                        std::string(name) + " is " + std::to_string(*value) + "; expected at least 1");
    }
    if (*value > std::numeric_limits<T>::max()) {
      return make_error(ErrorCode::kInvalidArgument,
                        std::string(name) + " is " + std::to_string(*value) + ", which is too large");
    }
    tuning.*member = static_cast<T>(*value);
    return Unit{};
  }
};

struct Shower {
  const Tuning& tuning;
  std::string operator()(uint64_t Tuning::* member) const { return std::to_string(tuning.*member); }
  std::string operator()(uint32_t Tuning::* member) const { return std::to_string(tuning.*member); }
  std::string operator()(bool Tuning::* member) const { return text_of_truth(tuning.*member); }
  std::string operator()(nanoseconds Tuning::* member) const { return text_of_seconds(tuning.*member); }
  std::string operator()(Verify Tuning::* member) const { return kVerify.name_of(tuning.*member); }
  std::string operator()(ChecksumKind Tuning::* member) const { return kChecksum.name_of(tuning.*member); }
};

std::string in_capitals(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
  return out;
}

std::string given(const OpenOptions& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string() : found->second;
}

std::string trimmed(std::string text) {
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n\v\f"), text.size()));
  text.erase(text.find_last_not_of(" \t\r\n\v\f") + 1);
  return text;
}

}  // namespace

std::vector<std::string_view> tuning_names() {
  std::vector<std::string_view> names;
  for (const Field& field : kFields) names.push_back(field.name);
  return names;
}

Result<Tuning> tuning_of(const OpenOptions& options, const Variables& variables) {
  Tuning tuning;
  for (const Field& field : kFields) {
    std::string name(field.name);
    std::string text = given(options, field.name);
    if (text.empty()) {
      name = "S3DLIO_" + in_capitals(field.name);
      text = trimmed(variables.get(name));
    }
    if (text.empty()) continue;
    const auto set = std::visit(Setter{tuning, name, text, field.least}, field.member);
    if (!set) return set.error();
  }
  return tuning;
}

Result<Unit> apply_checksum_settings(const OpenOptions& options, const Variables& variables, const Profile& profile,
                                     Tuning& tuning) {
  const auto is_off = [&](std::string_view name, std::string_view field) -> Result<bool> {
    std::string value = variables.get("AWS_" + in_capitals(name));
    if (value.empty()) value = profile.in_config(name);
    if (value.empty() || ::strcasecmp(value.c_str(), "when_supported") == 0) return false;
    if (::strcasecmp(value.c_str(), "when_required") != 0) {
      return make_error(ErrorCode::kInvalidArgument,
                        std::string(name) + " is \"" + value.substr(0, 40) +
                            "\" in the environment or the profile; expected when_supported or when_required");
    }
    return given(options, field).empty() && !variables.is_set("S3DLIO_" + in_capitals(field));
  };
  const auto uploads = is_off("request_checksum_calculation", "upload_checksum");
  if (!uploads) return uploads.error();
  const auto reads = is_off("response_checksum_validation", "verify");
  if (!reads) return reads.error();
  if (*uploads) tuning.upload_checksum = ChecksumKind::kNone;
  if (*reads) tuning.verify = Verify::kNever;
  return Unit{};
}

void show(const Tuning& tuning, OpenOptions& settings) {
  for (const Field& field : kFields) settings[std::string(field.name)] = std::visit(Shower{tuning}, field.member);
}

Result<Unit> refuse_unknown(const OpenOptions& options, std::string_view scheme,
                            std::initializer_list<std::vector<std::string_view>> names) {
  std::string unknown, valid;
  for (const auto& some : names) {
    for (const std::string_view name : some) valid.append(valid.empty() ? "" : ", ").append(name);
  }
  for (const auto& [name, value] : options) {
    const bool is_known = std::any_of(names.begin(), names.end(), [&](const auto& some) {
      return std::find(some.begin(), some.end(), name) != some.end();
    });
    if (!is_known) unknown.append(unknown.empty() ? "" : ", ").append(name);
  }
  if (unknown.empty()) return Unit{};
  return make_error(ErrorCode::kInvalidArgument, "unknown option of a store at " + std::string(scheme) +
                                                     "://: " + unknown + "; valid ones are " + valid);
}

}  // namespace s3dlio::opening
