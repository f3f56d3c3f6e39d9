// The least that writing costs: keep-alive connections taken in turn, a short fixed PUT, sendmsg (or SSL_write)
// straight from the caller's memory, with the checksum of each body computed just before or not at all. One thread.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "engine/crc/crc.h"
#include "measure.h"
#include "options.h"
#include "peer.h"

namespace s3dlio_bench {
namespace {

s3dlio::ChecksumKind kind_named(const std::string& name) {
  for (const auto kind : {s3dlio::ChecksumKind::kNone, s3dlio::ChecksumKind::kCrc32, s3dlio::ChecksumKind::kCrc32c,
                          s3dlio::ChecksumKind::kCrc64Nvme}) {
    if (s3dlio::crc_name(kind) == name) return kind;
  }
  fail("--checksum takes none, crc32, crc32c or crc64nvme");
}

std::string sha256_of(std::span<const std::byte> body) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (EVP_Digest(body.data(), body.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) fail("no SHA-256");
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

std::string request_for(const Options& options, size_t object, s3dlio::ChecksumKind kind,
                        std::span<const std::byte> body) {
  std::string head = "PUT " + path_of(options, object) +
                     " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options.port) +
                     "\r\nContent-Length: " + std::to_string(body.size());
  if (kind != s3dlio::ChecksumKind::kNone) {
    head += "\r\nx-amz-checksum-" + options.checksum + ": " +
            s3dlio::crc_to_base64(kind, s3dlio::crc_update(kind, 0, body));
  }
  if (options.sha256) head += "\r\nx-amz-content-sha256: " + sha256_of(body);
  return head + "\r\n\r\n";
}

void write_all(const Options& options, std::vector<std::unique_ptr<Peer>>& peers, size_t objects,
               s3dlio::ChecksumKind kind, std::span<const std::byte> memory) {
  for (size_t object = 0; object < objects; ++object) {
    Peer& peer = *peers[object % peers.size()];
    if (object >= peers.size()) peer.receive({});
    const auto body = memory.subspan(object * options.size % memory.size(), options.size);
    peer.send(request_for(options, object, kind, body), body);
  }
  for (size_t at = objects - peers.size(); at < objects; ++at) peers[at % peers.size()]->receive({});
}

}  // namespace
}  // namespace s3dlio_bench

int main(int argc, char** argv) {
  using namespace s3dlio_bench;
  const Options options = parse_options(argc, argv);
  const auto kind = kind_named(options.checksum);
  const size_t objects = std::max<size_t>(1, options.count);
  const size_t window = options.window == 0 ? objects * options.size : options.window;
  if (window % options.size != 0) fail("--window is a multiple of --size");
  auto peers = connect_all(options);
  peers.resize(std::min(peers.size(), objects));
  const Memory memory(window, true);

  Measure measure;
  write_all(options, peers, objects, kind,
            memory.bytes());  // once for nothing: windows open, the server has its memory
  measure.start();
  for (int repeat = 0; repeat < options.repeats; ++repeat) write_all(options, peers, objects, kind, memory.bytes());
  measure.stop();
  const auto repeats = static_cast<uint64_t>(options.repeats);
  measure.print(repeats * objects * options.size, repeats * objects);
}
