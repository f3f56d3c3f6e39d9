// The S3 verbs over what is held in memory. No signature is looked at. Any thread.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "objects.h"

namespace s3dlio_bench {

struct ServerStats {
  std::atomic<uint64_t> connections{0}, requests{0}, bytes_in{0}, bytes_out{0};
};

class Verbs {
 public:
  // verify: uploads are compared with the checksum they state, and get a CRC64NVME when they state none.
  explicit Verbs(bool verify) : verify_(verify) {}

  Response answer(Request& request);
  // `count` objects "<prefix>00000000"... of `size` bytes each, all showing the same random block.
  void seed(const std::string& bucket, const std::string& prefix, size_t count, size_t size);

  ServerStats stats;

 private:
  Response answer_service(const Request& request);
  Response answer_bucket(const Request& request);
  Response answer_object(Request& request);

  // buckets (bucket_verbs.cpp)
  Response list_buckets();
  Response create_bucket(const std::string& name);
  Response delete_bucket(const std::string& name);
  Response list_objects(const Request& request);
  Response list_uploads(const std::string& bucket);
  Response delete_objects(const Request& request);

  // objects (object_verbs.cpp)
  Response get_object(const Request& request);
  Response put_object(Request& request);
  Response copy_object(const Request& request);
  Response delete_object(const Request& request);

  // uploads (upload_verbs.cpp)
  Response create_upload(const Request& request);
  Response upload_part(Request& request);
  Response complete_upload(const Request& request);
  Response list_parts(const Request& request);

  ObjectPointer find(const std::string& bucket, const std::string& key);  // null: none
  ObjectPointer find_copy_source(const Request& request);                 // of x-amz-copy-source, cut to its range
  // The request's bytes as an object, or the refusal of a checksum that does not fit them.
  std::optional<Response> receive(Request& request, Object& object) const;
  // If-None-Match: * and If-Match of a write; the lock is held.
  std::optional<Response> refuse_write(const Request& request) const;

  const bool verify_;
  std::mutex mutex_;  // guards everything below; objects themselves never change
  std::map<std::string, Bucket, std::less<>> buckets_;
  std::map<std::string, Upload, std::less<>> uploads_;
  uint64_t next_upload_ = 1;
};

Response no_such_bucket();
Response no_such_key();
Response no_such_upload();

}  // namespace s3dlio_bench
