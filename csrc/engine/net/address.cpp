#include "engine/net/address.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

namespace s3dlio::net {

std::optional<Address> Address::from(const sockaddr* address, socklen_t size, uint16_t port) {
  Address made;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    v4.sin_port = htons(port);
    std::memcpy(&made.inner_, &v4, sizeof v4);
    return made;
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    std::memcpy(&made.inner_, address, sizeof(sockaddr_in6));
    made.inner_.sin6_port = htons(port);
    return made;
  }
  return std::nullopt;
}

std::optional<Address> Address::parse(const std::string& text, uint16_t port) {
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    return from(reinterpret_cast<const sockaddr*>(&v4), sizeof v4, port);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    return from(reinterpret_cast<const sockaddr*>(&v6), sizeof v6, port);
  }
  return std::nullopt;
}

std::string Address::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &inner_, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  ::inet_ntop(AF_INET6, &inner_.sin6_addr, text.data(), text.size());
  return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(inner_.sin6_port));
}

bool Address::operator==(const Address& other) const { return std::memcmp(&inner_, &other.inner_, sizeof inner_) == 0; }
bool Address::operator<(const Address& other) const { return std::memcmp(&inner_, &other.inner_, sizeof inner_) < 0; }

}  // namespace s3dlio::net
