#include "engine/base/secrets.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/published.h"

namespace s3dlio {
namespace {

// Shorter ones would blank out ordinary words; no service hands out a credential this short.
constexpr size_t kMinSecret = 4;
constexpr size_t kMinBase64 = 6;
// Refreshed session tokens pile up; the oldest have expired long before this many.
constexpr size_t kMaxSecrets = 256;

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct Registry {
  std::vector<std::string> secrets;                     // oldest first
  std::array<std::vector<std::string>, 256> spellings;  // by first byte
};
constinit Published<Registry> registry;

// The base64 characters that depend on `secret` alone when it starts `lead` bytes into a group of three.
std::string base64_inside(std::string_view secret, size_t lead, std::string_view alphabet) {
  std::string padded(lead, '\0');
  padded.append(secret);
  std::string out;
  for (size_t bit = 0; bit + 6 <= padded.size() * 8; bit += 6) {
    const size_t byte = bit / 8;
    const uint32_t pair = static_cast<uint32_t>(static_cast<unsigned char>(padded[byte])) << 8 |
                          (byte + 1 < padded.size() ? static_cast<unsigned char>(padded[byte + 1]) : 0u);
    out.push_back(alphabet[(pair >> (10 - bit % 8)) & 63]);
  }
  return out.substr((lead * 8 + 5) / 6);
}

void add_spellings(const std::string& secret, Registry& into) {
  std::vector<std::string> all = {secret};
  for (const std::string_view alphabet : {kStandard, kUrlSafe}) {
    for (const size_t lead : {size_t{0}, size_t{1}, size_t{2}}) {
      std::string spelling = base64_inside(secret, lead, alphabet);
      if (spelling.size() >= kMinBase64) all.push_back(std::move(spelling));
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (std::string& spelling : all) {
    into.spellings[static_cast<unsigned char>(spelling[0])].push_back(std::move(spelling));
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// How many characters of `text` at `at` spell `byte` percent-encoded (%2F, %252F, ...); 0: they do not.
size_t encoded_size(std::string_view text, size_t at, unsigned char byte) {
  if (at >= text.size() || text[at] != '%') return 0;
  size_t i = at + 1;
  while (byte != '%' && text.substr(i, 2) == "25" && i + 4 <= text.size()) i += 2;
  if (i + 2 > text.size()) return 0;
  const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
  return high >= 0 && low >= 0 && high * 16 + low == byte ? i + 2 - at : 0;
}

// Where a spelling that starts at `at` ends; 0 when another text stands there.
size_t match(std::string_view text, size_t at, const std::string& spelling) {
  for (const char c : spelling) {
    if (const size_t size = encoded_size(text, at, static_cast<unsigned char>(c))) {
      at += size;
    } else if (at < text.size() && text[at] == c) {
      ++at;
    } else {
      return 0;
    }
  }
  return at;
}

}  // namespace

void add_secret(std::string_view secret) {
  if (secret.size() < kMinSecret) return;
  bool known = false;
  registry.read([&](const Registry& now) {
    known = std::find(now.secrets.begin(), now.secrets.end(), secret) != now.secrets.end();
  });
  if (known) return;
  registry.update([&](const Registry* now) {
    Registry next;
    if (now) next.secrets = now->secrets;
    std::erase(next.secrets, secret);
    if (next.secrets.size() >= kMaxSecrets) next.secrets.erase(next.secrets.begin());
    next.secrets.emplace_back(secret);
    for (const std::string& each : next.secrets) add_spellings(each, next);
    return next;
  });
}

void find_registered_secrets(std::string_view text, const std::function<void(size_t, size_t)>& found) {
  registry.read([&](const Registry& now) {
    for (size_t at = 0; at < text.size(); ++at) {
      const auto try_all = [&](const std::vector<std::string>& spellings) {
        for (const std::string& spelling : spellings) {
          if (const size_t end = match(text, at, spelling)) found(at, end);
        }
      };
      if (text[at] != '%') {
        try_all(now.spellings[static_cast<unsigned char>(text[at])]);
      } else {  // an encoded first byte: any spelling may start here
        for (const auto& spellings : now.spellings) try_all(spellings);
      }
    }
  });
}

}  // namespace s3dlio
