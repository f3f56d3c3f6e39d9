// A signed overflow: UndefinedBehaviorSanitizer must stop this program.
#include <climits>

int main(int argc, char**) {
  volatile int value = INT_MAX;
  value = value + argc;
  return value == 0 ? 1 : 0;
}
