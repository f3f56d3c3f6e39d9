// One IP address and port, as the kernel wants it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace s3dlio::net {

class Address {
 public:
  // The socket address is copied; `size` is cut to what an IPv6 address needs. nullopt for other families than IPv4 and
  // IPv6.
  static std::optional<Address> from(const sockaddr* address, socklen_t size, uint16_t port);
  // "10.0.0.1" or "fe80::1" (no brackets); nullopt if `text` is anything else, e.g. a name.
  static std::optional<Address> parse(const std::string& text, uint16_t port);

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&inner_); }
  socklen_t raw_size() const { return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }
  int family() const { return inner_.sin6_family; }
  std::string to_string() const;  // "10.0.0.1:443", "[fe80::1]:443"

  bool operator==(const Address& other) const;
  bool operator<(const Address& other) const;

 private:
  Address() = default;
  sockaddr_in6 inner_{};  // large enough for both; sin6_family stands where sin_family does
};

}  // namespace s3dlio::net
