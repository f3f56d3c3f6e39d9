// A world for providers: variables, files in a folder of the test's own, services on loopback, a clock.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/credentials/providers.h"
#include "net/loopback_server.h"

namespace s3dlio::testing {

using Vars = std::map<std::string, std::string, std::less<>>;

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "s3dlio-credentials-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(const std::string& name) const { return path_ / name; }
  std::string write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

constexpr double kNow = 1893456000;  // 2030-01-01T00:00:00Z
constexpr const char* kLater = "2030-01-01T06:00:00Z";

// The clock stands at kNow; pauses are counted and not made; requests go to real sockets unless a test says otherwise.
struct World {
  explicit World(Vars variables = {}) {
    variables.try_emplace("HOME", folder.path("home"));
    surroundings = Surroundings::real(Variables(std::move(variables)), "");
    surroundings.now = [] { return kNow; };
    surroundings.pause = [this](std::chrono::milliseconds) { ++pauses; };
  }
  Profile profile(const std::string& wanted = "") const { return load_profile(surroundings.variables, wanted).value(); }
  void set(Vars variables) {
    variables.try_emplace("HOME", folder.path("home"));
    surroundings.variables = Variables(std::move(variables));
  }

  Folder folder;
  Surroundings surroundings;
  int pauses = 0;
};

inline std::string url_of(const LoopbackServer& server) { return "http://127.0.0.1:" + std::to_string(server.port()); }

inline std::string document(const std::string& expiration = kLater, const std::string& more = "") {
  return R"({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "AKSERVED", "SecretAccessKey": "served-secret",)"
         R"( "Token": "served-token", "Expiration": ")" +
         expiration + "\"" + more + "}";
}

// Answers every request of every connection by `answer(request)`: status, headers, body.
using Answering = std::function<std::string(const std::string& request)>;
inline LoopbackServer::Script answering(Answering answer) {
  return [answer = std::move(answer)](Peer& peer) {
    for (std::string request = peer.read_request(); !request.empty(); request = peer.read_request()) {
      if (!peer.send(answer(request))) return;
    }
  };
}
inline std::string reply(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " Said\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

inline std::string failure(const Found& found) {
  return found.ok() ? std::string("no failure") : found.error().message;
}
inline bool is_served(const Found& found) {
  return found.ok() && found->has_value() && (**found).access_key_id == "AKSERVED" &&
         (**found).secret_access_key == "served-secret" && (**found).session_token == "served-token";
}

}  // namespace s3dlio::testing
