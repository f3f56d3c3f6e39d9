// The AWS tools' files, the JSON and the times that services answer with.
#include <doctest/doctest.h>

#include "credentials/world.h"
#include "engine/credentials/ini_file.h"
#include "engine/credentials/json_strings.h"

using namespace s3dlio;
using namespace s3dlio::testing;

TEST_CASE("a configuration file is read as configparser reads it") {
  const auto all = parse_ini(
      "# a comment\n; another\n[default]\nRegion = eu-west-1\nkey=a=b # kept\n  \n"
      "[profile my name]\r\nregion: us-west-2\r\n[services local]\ns3 =\n  endpoint_url = http://one\n  # not this\n"
      "  addressing_style = path\nsts =\n  endpoint_url = http://two\n[default]\noutput = json\n",
      "config");
  REQUIRE(all);
  CHECK(all->at("default").at("region") == "eu-west-1");
  CHECK(all->at("default").at("key") == "a=b # kept");
  CHECK(all->at("default").at("output") == "json");
  CHECK(all->at("profile my name").at("region") == "us-west-2");
  const auto nested = nested_settings(all->at("services local").at("s3"));
  CHECK(nested.at("endpoint_url") == "http://one");
  CHECK(nested.at("addressing_style") == "path");
  CHECK(nested.size() == 2);
  CHECK(nested_settings(all->at("services local").at("sts")).at("endpoint_url") == "http://two");
}

TEST_CASE("what cannot be parsed is an error with its line and without its text") {
  for (const char* text : {"[default]\naws_secret_access_key\n", "[default]\n= secret\n", "[default]\n[]\n"}) {
    const auto all = parse_ini(text, "the/file");
    REQUIRE_FALSE(all);
    CHECK(all.error().code == ErrorCode::kInvalidArgument);
    CHECK(all.error().message.find("the/file") != std::string::npos);
    CHECK(all.error().message.find("line 2") != std::string::npos);
    CHECK(all.error().message.find("secret") == std::string::npos);
  }
  CHECK_FALSE(parse_ini("region = x\n", "p"));
  CHECK(read_ini_file("/no/such/file").value() == std::nullopt);
}

TEST_CASE("a profile is found in both files, by every way its name may be written") {
  World world;
  world.folder.write("home/.aws/config",
                     "[profile \"my name\"]\nregion = one\n[profile plain]\nregion = two\n[bare]\nregion = three\n"
                     "[profile uses]\nservices = local\n[services local]\ns3 =\n  endpoint_url = http://s3\n"
                     "[profile lost]\nservices = nowhere\n");
  world.folder.write("home/.aws/credentials", "[my name]\naws_access_key_id = AK\n[plain]\nregion = over\n");
  CHECK(world.profile("my name").in_config("region") == "one");
  CHECK(world.profile("my name").get("aws_access_key_id") == "AK");
  CHECK(world.profile("plain").get("region") == "over");
  CHECK(world.profile("plain").in_config("region") == "two");
  CHECK(world.profile("bare").in_config("region") == "three");
  CHECK(world.profile("uses").s3_service.at("endpoint_url") == "http://s3");
  CHECK(world.profile("lost").missing_services == "nowhere");
  CHECK(world.profile().name == "default");
  CHECK_FALSE(world.profile().is_there);
  world.set({{"AWS_PROFILE", "bare"}});
  CHECK(world.profile().is_named);
  CHECK(world.profile().in_config("region") == "three");
  world.set({{"AWS_CONFIG_FILE", "~/other"}});
  world.folder.write("home/other", "[default]\nregion = elsewhere\n");
  CHECK(world.profile().in_config("region") == "elsewhere");
}

TEST_CASE("the strings of a JSON object are read, other values are passed over, and what is no object is refused") {
  const auto members = json_strings(
      R"( {"a": "x\"\\\/\n\u00e9\ud83d\ude00", "n": -1.5e3, "t": true, "o": {"a": "inner", "l": [1, "two", {}]}, "e": ""} )");
  REQUIRE(members);
  CHECK(members->at("a") == "x\"\\/\n\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(members->at("e").empty());
  CHECK(members->size() == 2);
  CHECK(json_strings("{}")->empty());
  for (const char* bad : {"", "[]", "null", "{", "{\"a\"", "{\"a\": \"b\"", "{\"a\": \"b\",}", "{\"a\": \"b\"} x",
                          "{\"a\": \"\\q\"}", "{\"a\": \"\\ud800\"}", "{\"a\": \"\\u12\"}", "{\"a\": nope}",
                          "{\"a\": \"\n\"}", "{'a': 'b'}", "{\"a\": \"\\", "{\"a\": \"\\u"}) {
    CAPTURE(bad);
    CHECK_FALSE(json_strings(bad));
  }
  CHECK_FALSE(json_strings("{\"a\": " + std::string(100000, '[')));
}

TEST_CASE("times are read with their offset") {
  CHECK(seconds_of_time("2030-01-01T00:00:00Z") == kNow);
  CHECK(seconds_of_time("2030-01-01T02:00:00.123+02:00") == kNow);
  CHECK(seconds_of_time("2029-12-31T16:30:00-0730") == kNow);
  for (const char* bad : {"", "2030", "2030-13-01T00:00:00Z", "2030-02-30T00:00:00Z", "2030-01-01T25:00:00Z",
                          "2030-01-01T00:00:00X", "2030/01/01T00:00:00Z", "2030-01-01T00:00:00+2"}) {
    CAPTURE(bad);
    CHECK_FALSE(seconds_of_time(bad));
  }
}

TEST_CASE("a URL is taken apart, and one with user info is refused without being quoted") {
  const auto url = parse_fetch_url("http://[::1]:8080/a/b?c=d#e");
  REQUIRE(url);
  CHECK(url->server == http::Endpoint{false, "::1", 8080});
  CHECK(url->path == "/a/b");
  CHECK(url->query == "c=d");
  CHECK(parse_fetch_url("https://sts.amazonaws.com")->server == http::Endpoint{true, "sts.amazonaws.com", 443});
  for (const char* bad : {"ftp://a", "http://", "http://me:secret@host/", "http://host:0/", "http://host:99999/",
                          "http://ho st/", "http://[::1", "http://host:12x/"}) {
    CAPTURE(bad);
    const auto refused = parse_fetch_url(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("secret") == std::string::npos);
  }
}
