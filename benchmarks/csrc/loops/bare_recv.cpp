// The least that reading costs: keep-alive connections taken in turn, a short fixed request, recv (or SSL_read)
// straight to the destination. No signature, no checksum, no retry. One thread.
#include <algorithm>
#include <string>
#include <vector>

#include "measure.h"
#include "options.h"
#include "peer.h"

namespace s3dlio_bench {
namespace {

struct Item {
  size_t object = 0, start = 0, size = 0;
};

std::vector<Item> items_of(const Options& options) {
  const size_t part = options.part == 0 ? options.size : options.part;
  std::vector<Item> items;
  for (size_t object = 0; object < std::max<size_t>(1, options.count); ++object) {
    for (size_t start = 0; start < options.size; start += part) {
      items.push_back({object, start, std::min(part, options.size - start)});
    }
  }
  return items;
}

std::string request_for(const Options& options, const Item& item) {
  std::string head =
      "GET " + path_of(options, item.object) + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options.port);
  if (options.part != 0) {
    head += "\r\nRange: bytes=" + std::to_string(item.start) + "-" + std::to_string(item.start + item.size - 1);
  }
  return head + "\r\n\r\n";
}

// Each connection has one request under way; answers are taken in the order of the requests.
void read_all(const Options& options, std::vector<std::unique_ptr<Peer>>& peers, const std::vector<Item>& items,
              std::span<std::byte> memory) {
  for (size_t at = 0; at < items.size() + peers.size(); ++at) {
    Peer& peer = *peers[at % peers.size()];
    if (at >= peers.size()) {
      const size_t done = at - peers.size();
      const Item& item = items[done];
      const size_t place = item.object * options.size + item.start;
      peer.receive(memory.subspan(place % memory.size(), item.size));
    }
    if (at < items.size()) peer.send(request_for(options, items[at]), {});
  }
}

}  // namespace
}  // namespace s3dlio_bench

int main(int argc, char** argv) {
  using namespace s3dlio_bench;
  const Options options = parse_options(argc, argv);
  const auto items = items_of(options);
  const size_t objects = std::max<size_t>(1, options.count);
  const size_t window = options.window == 0 ? objects * options.size : options.window;
  if (window % options.size != 0) fail("--window is a multiple of --size");
  auto peers = connect_all(options);
  peers.resize(std::min(peers.size(), items.size()));

  const Memory ready(options.fresh ? 1 : window, true);
  Measure measure;
  if (!options.fresh) {
    read_all(options, peers, items, ready.bytes());  // once for nothing: windows open, caches fill
    measure.start();
    for (int repeat = 0; repeat < options.repeats; ++repeat) read_all(options, peers, items, ready.bytes());
    measure.stop();
  }
  for (int repeat = 0; options.fresh && repeat < options.repeats; ++repeat) {
    measure.start();
    {
      const Memory memory(window, false);
      read_all(options, peers, items, memory.bytes());
    }
    measure.stop();
  }
  const auto repeats = static_cast<uint64_t>(options.repeats);
  measure.print(repeats * objects * options.size, repeats * objects);
}
