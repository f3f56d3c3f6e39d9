// The literal secrets of this process, in every spelling in which they can show up in a text. Private to base/.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace s3dlio {

// Calls `found(begin, end)` for each place of `text` where a secret given to add_secret() stands: as it is, in base64
// (either alphabet, also inside a longer base64 text), each byte of these percent-encoded or not, once or twice. Any
// thread.
void find_registered_secrets(std::string_view text, const std::function<void(size_t begin, size_t end)>& found);

}  // namespace s3dlio
