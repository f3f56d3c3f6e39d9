// What S3's error codes mean for us: which error the caller gets, and whether trying again makes sense.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "engine/base/log.h"
#include "engine/base/redact_url.h"
#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/text/http_date.h"

namespace s3dlio::s3 {
namespace {

using transfer::Verdict;
using enum ErrorCode;

struct Rule {
  std::string_view code;
  ErrorCode error;
  Verdict verdict;
  std::string_view remedy;  // likely cause and what to do; "" where the code says it
};

constexpr std::string_view kRemedySlower = "lower max_connections or max_in_flight_bytes if it lasts";
constexpr std::string_view kRemedyRegion = "check AWS_REGION or region=";
constexpr std::string_view kRemedyToken = "the session token has run out or is not valid here; get new credentials";
constexpr std::string_view kRemedyDenied =
    "the credentials are known but this is not allowed to them; check the bucket's and the user's policy";
constexpr std::string_view kRemedyBucket = "check the bucket's name, the region and endpoint_url";
constexpr std::string_view kRemedyPart = "a part is missing, changed or too small; the upload has to start again";
constexpr std::string_view kRemedyDamaged = "the bytes changed on the way";

constexpr std::array kRules{
    Rule{"SlowDown", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"ServiceUnavailable", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"TooManyRequests", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"TooManyRequestsException", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"RequestLimitExceeded", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"Throttling", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"ThrottlingException", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"ReducedThroughput", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"SlowDownRead", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"SlowDownWrite", kThrottled, Verdict::kThrottled, kRemedySlower},
    Rule{"XMinioServerNotInitialized", kServer, Verdict::kRetry, "the server is still starting"},
    Rule{"InternalError", kServer, Verdict::kRetry, ""},
    Rule{"InternalServerError", kServer, Verdict::kRetry, ""},
    Rule{"OperationAborted", kServer, Verdict::kRetry, "another change to the same bucket or object is under way"},
    Rule{"RequestTimeout", kTimeout, Verdict::kRetry, "the service did not receive the body in time"},
    Rule{"RequestTimeoutException", kTimeout, Verdict::kRetry, ""},
    Rule{"IncompleteBody", kConnection, Verdict::kRetry, "the service received fewer bytes than announced"},
    Rule{"BadDigest", kChecksumMismatch, Verdict::kRetry, kRemedyDamaged},
    Rule{"XAmzContentSHA256Mismatch", kChecksumMismatch, Verdict::kRetry, kRemedyDamaged},
    Rule{"XAmzContentChecksumMismatch", kChecksumMismatch, Verdict::kRetry, kRemedyDamaged},
    Rule{"ExpiredToken", kCredentials, Verdict::kRefreshCredentials, kRemedyToken},
    Rule{"ExpiredTokenException", kCredentials, Verdict::kRefreshCredentials, kRemedyToken},
    Rule{"TokenRefreshRequired", kCredentials, Verdict::kRefreshCredentials, kRemedyToken},
    Rule{"RequestExpired", kCredentials, Verdict::kRefreshCredentials, kRemedyToken},
    Rule{"InvalidToken", kCredentials, Verdict::kRefreshCredentials, kRemedyToken},
    Rule{"RequestTimeTooSkewed", kCredentials, Verdict::kFixClock, "this machine's clock is wrong; set it"},
    Rule{"InvalidAccessKeyId", kCredentials, Verdict::kFinal,
         "this service does not know the access key id; check AWS_ACCESS_KEY_ID, the profile and endpoint_url"},
    Rule{"SignatureDoesNotMatch", kCredentials, Verdict::kFinal,
         "the secret access key is most likely wrong; else a proxy changes the request"},
    Rule{"MissingSecurityHeader", kCredentials, Verdict::kFinal, "credentials are needed"},
    Rule{"CredentialsNotSupported", kCredentials, Verdict::kFinal, ""},
    Rule{"NotSignedUp", kCredentials, Verdict::kFinal, "the account has no access to S3"},
    Rule{"AccessDenied", kAccessDenied, Verdict::kFinal, kRemedyDenied},
    Rule{"AccountProblem", kAccessDenied, Verdict::kFinal, "the account has a problem"},
    Rule{"AllAccessDisabled", kAccessDenied, Verdict::kFinal, ""},
    Rule{"NoSuchKey", kNotFound, Verdict::kFinal, "nothing is stored at this key"},
    Rule{"NoSuchVersion", kNotFound, Verdict::kFinal, "the object has no such version"},
    Rule{"NoSuchUpload", kNotFound, Verdict::kFinal, "the upload was completed, aborted or swept away"},
    Rule{"NoSuchBucket", kBucketNotFound, Verdict::kFinal, kRemedyBucket},
    Rule{"InvalidBucketName", kInvalidArgument, Verdict::kFinal, kRemedyBucket},
    Rule{"InvalidBucketState", kPreconditionFailed, Verdict::kFinal, ""},
    Rule{"BucketNotEmpty", kPreconditionFailed, Verdict::kFinal,
         "delete what is in the bucket first, versions included"},
    Rule{"BucketAlreadyOwnedByYou", kAlreadyExists, Verdict::kFinal, "the bucket is there already and is yours"},
    Rule{"BucketAlreadyExists", kAlreadyExists, Verdict::kFinal,
         "the name is taken, by another account perhaps; choose another"},
    Rule{"PreconditionFailed", kPreconditionFailed, Verdict::kFinal,
         "the object is not the one expected; it may have been replaced"},
    Rule{"ConditionalRequestConflict", kPreconditionFailed, Verdict::kRetry, "another writer was at the same key"},
    Rule{"InvalidRange", kRangeNotSatisfiable, Verdict::kFinal, "the range starts past the object's end"},
    Rule{"InvalidObjectState", kUnsupported, Verdict::kFinal, "the object is archived; restore it before reading"},
    Rule{"NotImplemented", kUnsupported, Verdict::kFinal,
         "this service cannot do that; if it is a checksum header that it refuses: upload_checksum=\"none\" in Tuning; "
         "if a condition: conditional_commit=False for checkpoints"},
    Rule{"MethodNotAllowed", kUnsupported, Verdict::kFinal,
         "this cannot be done to that object, e.g. it is a delete marker"},
    Rule{"InvalidPart", kIntegrity, Verdict::kFinal, kRemedyPart},
    Rule{"InvalidPartOrder", kIntegrity, Verdict::kFinal, kRemedyPart},
    Rule{"EntityTooSmall", kInvalidArgument, Verdict::kFinal,
         "a part is smaller than the service takes; raise part_size"},
    Rule{"EntityTooLarge", kInvalidArgument, Verdict::kFinal, "lower multipart_threshold or part_size"},
    Rule{"KeyTooLongError", kInvalidArgument, Verdict::kFinal, "the key is longer than the service takes"},
    Rule{"MetadataTooLarge", kInvalidArgument, Verdict::kFinal, "user metadata may be 2 KiB at most"},
    Rule{"IllegalLocationConstraintException", kInvalidArgument, Verdict::kFinal, kRemedyRegion},
    Rule{"InvalidLocationConstraint", kInvalidArgument, Verdict::kFinal, kRemedyRegion},
    Rule{"AuthorizationHeaderMalformed", kCredentials, Verdict::kFinal, kRemedyRegion},
    Rule{"InvalidRequest", kInvalidArgument, Verdict::kFinal, ""},
    Rule{"InvalidArgument", kInvalidArgument, Verdict::kFinal, ""},
    Rule{"MalformedXML", kInvalidArgument, Verdict::kFinal, ""},
    Rule{"QuotaExceeded", kNoSpace, Verdict::kFinal, "the store's quota is used up"},
    Rule{"XMinioStorageFull", kNoSpace, Verdict::kFinal, "the server's disks are full"},
};

// For codes that are not in the list, and answers without a document.
Rule rule_of_status(int status) {
  switch (status) {
    case 304:
      return {"", kPreconditionFailed, Verdict::kFinal, ""};
    case 400:
      return {"", kInvalidArgument, Verdict::kFinal, ""};
    case 401:
      return {"", kCredentials, Verdict::kFinal, "credentials are needed or not accepted"};
    case 403:
      return {"", kAccessDenied, Verdict::kFinal, kRemedyDenied};
    case 404:
      return {"", kNotFound, Verdict::kFinal, "no such key, or no such bucket; the answer does not say which"};
    case 405:
      return {"", kUnsupported, Verdict::kFinal, "this service cannot do that"};
    case 408:
      return {"", kTimeout, Verdict::kRetry, ""};
    case 409:
      return {"", kPreconditionFailed, Verdict::kFinal, "it collides with another change"};
    case 411:
      return {"", kProtocol, Verdict::kFinal, "the service misses a length"};
    case 412:
      return {"", kPreconditionFailed, Verdict::kFinal,
              "the object is not the one expected; it may have been replaced"};
    case 413:
      return {"", kInvalidArgument, Verdict::kFinal, "the request is larger than the service or a proxy takes"};
    case 416:
      return {"", kRangeNotSatisfiable, Verdict::kFinal, "the range starts past the object's end"};
    case 429:
    case 503:
      return {"", kThrottled, Verdict::kThrottled, kRemedySlower};
    case 501:
      return {"", kUnsupported, Verdict::kFinal, "this service cannot do that"};
    case 507:
      return {"", kNoSpace, Verdict::kFinal, "the server has no space left"};
    default:
      break;
  }
  if (status >= 500) return {"", kServer, Verdict::kRetry, ""};
  if (status >= 400) return {"", kInvalidArgument, Verdict::kFinal, ""};
  if (status == 200)
    return {"", kServer, Verdict::kRetry, ""};  // an error inside a success: the service failed half-way
  return {"", kProtocol, Verdict::kFinal, "an answer of this kind was not expected here"};
}

Rule rule_for(int status, std::string_view code) {
  for (const Rule& rule : kRules) {
    if (rule.code == code) return rule;
  }
  return rule_of_status(status);
}

// What a service or a proxy wrote, fit for one line.
std::string one_line(std::string_view text, size_t at_most) {
  std::string out;
  for (const char c : text.substr(0, at_most)) out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) ? ' ' : c;
  if (text.size() > at_most) out += "...";
  return out;
}

// What a page that is no error document says, without its markup.
std::string words_of(std::string_view page) {
  std::string out;
  bool in_tag = false;
  for (const char c : page.substr(0, 2000)) {
    if (c == '<' || c == '>') {
      in_tag = c == '<';
    } else if (in_tag) {
      continue;
    } else if (static_cast<unsigned char>(c) > ' ') {
      out += c;
      continue;
    }
    if (!out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return one_line(out, 200);
}

bool mentions(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; };
  return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

// The option that leaves out what a service says it does not take; "" where it says nothing of the kind.
std::string_view switch_for(ErrorCode code, const ErrorDocument& document) {
  if (code != kUnsupported && code != kInvalidArgument) return {};
  const auto says = [&](std::string_view word) {
    return mentions(document.message, word) || mentions(document.header, word);
  };
  if (says("checksum-mode"))
    return "this service takes no x-amz-checksum-mode: open the store with verify=\"never\" in its Tuning";
  if (says("checksum") || says("content-md5") || says("trailer")) {
    return "if this service knows no such checksums: upload_checksum=\"none\" in the store's Tuning";
  }
  if (says("if-none-match") || says("if-match") || says("conditional")) {
    return "if this service has no conditional writes: conditional_commit=False for checkpoints, and no "
           "if_none_match or if_match elsewhere";
  }
  return {};
}

bool is_redirect_code(std::string_view code) {
  return code == "PermanentRedirect" || code == "TemporaryRedirect" || code == "Redirect" ||
         code == "AuthorizationHeaderMalformed" || code == "IncorrectEndpoint" || code == "WrongRegion";
}

bool asks_to_go_elsewhere(int status, std::string_view code) {
  return is_redirect_code(code) || (status >= 300 && status < 400 && status != 304);
}

}  // namespace

ServiceError S3Dialect::judge(int status, const ErrorDocument& document, const http::ResponseHead* head) const {
  const Rule rule = rule_for(status, document.code);
  std::string_view remedy_text = rule.remedy;
  ServiceError out;
  out.verdict = rule.verdict;
  Error& error = out.error;
  error.code = rule.error;
  error.http_status = status;
  error.service_code = one_line(document.code, 64);
  error.request_id = one_line(document.request_id, 128);
  if (error.request_id.empty() && head) error.request_id = one_line(header_of(*head, "x-amz-request-id"), 128);
  if (document.code == "PreconditionFailed" && document.condition == "If-None-Match") {
    error.code = kAlreadyExists;
  }
  if (const std::string_view option = switch_for(rule.error, document); !option.empty()) remedy_text = option;
  std::string message = std::to_string(status);
  if (!error.service_code.empty()) message.append(" ").append(error.service_code);
  if (!document.message.empty()) message.append(": ").append(one_line(document.message, 300));
  std::string_view remedy = remedy_text;
  if (rule.error == kAccessDenied && inner_options_.unsigned_access) {
    remedy = "no credentials were sent, because unsigned_access is on; the bucket may not be public";
  } else if (status == 403 && document.code.empty()) {
    remedy = "not allowed, or the key is missing and listing is not allowed; check policies, credentials and the clock";
  }
  if (document.code == "InvalidPart" && document.message.find("same length") != std::string::npos) {
    remedy = "this service takes parts of equal size only; give expected_size, or set equal_parts in the tuning";
  }
  if (!remedy.empty()) message.append("; ").append(remedy);
  error.message = redact(message);
  return out;
}

ServiceError S3Dialect::judge_redirect(int status, const ErrorDocument& document, const http::ResponseHead& head) {
  std::string_view region = header_of(head, "x-amz-bucket-region");
  if (region.empty()) region = document.region;
  std::string_view target = document.endpoint;
  if (target.empty() && status >= 300 && status < 400) target = header_of(head, "Location");
  if (target.starts_with('/')) target = {};  // the same host
  ServiceError out = judge(status, document, &head);
  out.error.code = kRedirect;
  const std::string used = inner_location_->current()->region;
  const auto explain = [&](std::string_view why) {
    out.error.message.append("; ").append(why);
    if (!region.empty()) {
      out.error.message.append("; the bucket is in region ")
          .append(one_line(region, 64))
          .append(", the request was for ");
      out.error.message.append(used).append(": ").append(kRemedyRegion);
    }
  };
  switch (inner_location_->learn(region, target)) {
    case Lesson::kLearnt:
      out.verdict = Verdict::kRedirect;
      explain("the service sends us to another place each time");
      break;
    case Lesson::kNothing:
      out.verdict = Verdict::kFinal;
      explain("the service sends us elsewhere but does not say where; check region= and endpoint_url");
      break;
    case Lesson::kDowngrade:
      out.verdict = Verdict::kFinal;
      explain("the service sends us from https to http, which is refused: credentials would travel unprotected");
      break;
    case Lesson::kForeign:
      out.verdict = Verdict::kFinal;
      explain("the service sends us to another host or port (" + redact_url(target) +
              "), which is refused: credentials stay where they belong; set endpoint_url if that is the right place");
      break;
  }
  return out;
}

ServiceError S3Dialect::read_error(const http::ResponseHead& head, std::string_view body) {
  const ErrorDocument document = read_error_document(body).value_or(ErrorDocument{});
  if (asks_to_go_elsewhere(head.status, document.code)) return judge_redirect(head.status, document, head);
  if (!document.code.empty() || inner_options_.unsigned_access) return judge(head.status, document, &head);

  // Without a document (HEAD has none) the headers tell what they can.
  const std::string_view region = header_of(head, "x-amz-bucket-region");
  if (head.status == 400 && !region.empty() && region != inner_location_->current()->region) {
    return judge_redirect(head.status, document, head);
  }
  ServiceError out = judge(head.status, document, &head);
  if (const std::string words = words_of(body); !words.empty()) {
    out.error.message += redact("; the answer is no error document; it says: " + words);
  }
  if (head.status == 400 && body.empty()) {
    out.verdict = Verdict::kRefreshCredentials;  // that is how an expired token meets a HEAD
    out.error.message += "; no explanation was given: the service takes this request for malformed; ";
    out.error.message += kRemedyRegion;
    out.error.message += ", and that the service is meant by endpoint_url";
    if (!endpoint().tls) out.error.message += "; or the server speaks TLS on this port: https://";
  }
  if (head.status == 403) {
    const auto theirs = text::parse_http_date(header_of(head, "Date"));
    const int64_t ours = inner_last_signed_.load(std::memory_order_relaxed);
    if (theirs && ours != 0) {
      const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(theirs->time_since_epoch()).count();
      if (std::abs(seconds - ours) > 14 * 60) out.verdict = Verdict::kFixClock;  // S3 allows 15 minutes
    }
  }
  return out;
}

ServiceError S3Dialect::judge_body(std::string_view body) const {
  if (const auto document = read_error_document(body)) return judge(200, *document, nullptr);
  ServiceError out;
  out.verdict = Verdict::kRetry;
  out.error =
      make_error(kProtocol, body.empty() ? "the answer 200 is empty; expected a result document"
                                         : "the answer 200 is no readable result document; it may be broken off");
  out.error.http_status = 200;
  return out;
}

ServiceError S3Dialect::read_error_body(std::string_view body) { return judge_body(body); }

}  // namespace s3dlio::s3
