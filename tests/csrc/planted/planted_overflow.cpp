// A write one past a heap block: AddressSanitizer must stop this program, or the sanitizer job proves nothing.
#include <cstdlib>
#include <memory>

int main(int argc, char**) {
  const auto block = std::make_unique<char[]>(16);
  volatile char* bytes = block.get();
  bytes[15 + argc] = 1;
  return 0;
}
