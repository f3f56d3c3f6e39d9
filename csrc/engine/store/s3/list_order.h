// In which order a listing comes, as far as its pages have shown: what proves that no page overlaps an earlier one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/store/s3/documents.h"

namespace s3dlio::s3 {

// The orders services list in. S3's own is that of the bytes. Gateways over folders (SeaweedFS) go down into a folder
// before its neighbours, so that "a/x" comes before "a-b". Servers in Java compare UTF-16 units, which puts what lies
// beyond the basic plane before U+E000.
enum class ListOrder : uint8_t { kBytes, kFolders, kUtf16 };
constexpr size_t kListOrders = 3;

bool comes_before(ListOrder order, std::string_view a, std::string_view b);

// Pages follow each other when each begins behind the end of the one before, in one of the orders and always the same.
// Keys and common prefixes are two such rows: services put them into pages in different ways.
class ListProgress {
 public:
  explicit ListProgress(bool bytes_only) : inner_possible_(bytes_only ? 1 : (1 << kListOrders) - 1) {}

  // Takes the next page. nullopt: it follows the earlier ones in an order that fits them all. Else: one of its names
  // that does not.
  std::optional<std::string> take(const ListDocument& page);
  bool has_listed(std::string_view common_prefix) const;  // as the last one of the pages so far

  // As one word without '.' or ' ', and back; false: no such text.
  std::string text() const;
  bool parse(std::string_view text);

 private:
  struct Last {
    std::string key, prefix;  // "": none so far
  };
  unsigned inner_possible_;                     // bit i: ListOrder i fits all pages so far
  std::array<Last, kListOrders> inner_last_{};  // the end in each possible order
};

}  // namespace s3dlio::s3
