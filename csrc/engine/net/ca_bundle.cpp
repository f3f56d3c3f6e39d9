#include "engine/net/ca_bundle.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/process/per_process.h"

namespace s3dlio::net {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFiles = 4096;  // of a folder
constexpr std::array kVariables = {"AWS_CA_BUNDLE_PATH", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"};
// Debian, Fedora, SUSE, older Red Hat, Alpine. A static OpenSSL does not know where the system it runs on keeps them.
constexpr std::array kSystemFiles = {"/etc/ssl/certs/ca-certificates.crt",
                                     "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem",
                                     "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

struct Source {
  std::string path;
  std::string given_by;
};

Error refused(const Source& source, const std::string& reason) {
  return make_error(ErrorCode::kInvalidArgument,
                    "CA bundle '" + source.path + "' (" + source.given_by + "): " + reason +
                        "; expected a PEM file, or a folder of them, with at least one certificate");
}

// Adds every certificate of one PEM file; gives their number.
size_t add_file(X509_STORE* store, const std::string& path) {
  const BioPtr file(BIO_new_file(path.c_str(), "r"));
  if (!file) return 0;
  size_t added = 0;
  while (const X509Ptr certificate{PEM_read_bio_X509_AUX(file.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(store, certificate.get()) == 1) ++added;
  }
  ERR_clear_error();
  return added;
}

size_t add_folder(X509_STORE* store, const std::string& path) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (fs::directory_iterator item(path, ignored), end; item != end && files.size() < kMostFiles;
       item.increment(ignored)) {
    if (item->is_regular_file(ignored)) files.push_back(item->path());
  }
  std::sort(files.begin(), files.end());
  size_t added = 0;
  for (const std::string& file : files) added += add_file(store, file);
  return added;
}

Result<std::shared_ptr<const CaBundle>> read(const Source& source) {
  auto bundle = std::make_shared<CaBundle>();
  bundle->store.reset(X509_STORE_new());
  bundle->origin = source.path + " (" + source.given_by + ")";
  std::error_code error;
  const fs::file_status status = fs::status(source.path, error);
  if (!fs::exists(status)) return refused(source, error ? error.message() : "no such file");
  size_t added = 0;
  if (fs::is_directory(status)) {
    added = add_folder(bundle->store.get(), source.path);
  } else {
    if (!BioPtr(BIO_new_file(source.path.c_str(), "r"))) {
      ERR_clear_error();
      return refused(source, "cannot be read");
    }
    added = add_file(bundle->store.get(), source.path);
  }
  if (added == 0) return refused(source, "holds no certificate");
  return std::shared_ptr<const CaBundle>(std::move(bundle));
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// What the caller or the environment asks for; must work.
std::optional<Source> demanded(const std::string& wanted) {
  if (!wanted.empty()) return Source{wanted, "option ca_bundle"};
  for (const char* name : kVariables) {
    if (std::string path = variable(name); !path.empty()) return Source{std::move(path), name};
  }
  return std::nullopt;
}

// The same file is asked for by every store that is opened; parsing the system's takes tens of milliseconds.
class Cache {
 public:
  Result<std::shared_ptr<const CaBundle>> get(const Source& source) {
    std::error_code ignored;
    const auto changed = fs::last_write_time(source.path, ignored);
    const auto size = fs::is_regular_file(source.path, ignored) ? fs::file_size(source.path, ignored) : 0;
    std::lock_guard lock(mutex_);
    auto& kept = kept_[source.path + '\n' + source.given_by];
    if (kept.bundle && kept.changed == changed && kept.size == size) return kept.bundle;
    auto bundle = read(source);
    if (bundle.ok()) kept = {changed, size, *bundle};
    return bundle;
  }

 private:
  struct Kept {
    fs::file_time_type changed;
    uintmax_t size = 0;
    std::shared_ptr<const CaBundle> bundle;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;
};

PerProcess<Cache> cache;

}  // namespace

Result<std::shared_ptr<const CaBundle>> load_ca_bundle(const std::string& wanted, const std::string& fallback) {
  if (const auto source = demanded(wanted)) return cache.get().get(*source);
  for (const char* path : kSystemFiles) {
    if (auto bundle = cache.get().get({path, "system"}); bundle.ok()) return bundle;
  }
  if (!fallback.empty()) {
    if (auto bundle = cache.get().get({fallback, "fallback"}); bundle.ok()) return bundle;
  }
  auto nobody = std::make_shared<CaBundle>();
  nobody->store.reset(X509_STORE_new());
  nobody->origin = "nothing: this system has no CA file";
  return std::shared_ptr<const CaBundle>(std::move(nobody));
}

}  // namespace s3dlio::net
