#include "service.h"

#include <nanobind/stl/list.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "engine/base/log.h"
#include "engine/base/redact_url.h"
#include "engine/process/per_process.h"
#include "lifecycle.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

constexpr size_t kMaxLogLines = 10000;  // beyond it lines are dropped and counted: logging must not eat the memory
constexpr std::chrono::seconds kCredentialTimeout{120};  // a browser or an MFA prompt does not belong here

struct LogLine {
  int level;
  std::string message;
};
struct Lookup {
  uint64_t provider_id = 0;
  std::optional<Result<Credentials>> answer;
};

struct Service {
  std::mutex mutex;
  std::condition_variable asked;     // the Python thread waits
  std::condition_variable answered;  // engine helper threads wait
  std::deque<LogLine> lines;
  uint64_t dropped_lines = 0;
  std::map<uint64_t, Lookup> lookups;
  std::deque<uint64_t> new_lookups;
  uint64_t next_request = 1;
  bool stopped = false;
};

PerProcess<Service> current;  // see lifecycle.cpp

Service& service() { return current.get(); }

void accept_line(LogLevel level, std::string_view message) {
  Service& state = service();
  std::lock_guard lock(state.mutex);
  if (state.stopped) return;
  if (state.lines.size() >= kMaxLogLines) {
    ++state.dropped_lines;
    return;
  }
  state.lines.push_back({static_cast<int>(level), std::string(message)});
  state.asked.notify_one();
}

Result<Credentials> look_up(uint64_t provider_id) {
  Service& state = service();
  std::unique_lock lock(state.mutex);
  const uint64_t request = state.next_request++;
  state.lookups[request].provider_id = provider_id;
  state.new_lookups.push_back(request);
  state.asked.notify_one();
  const bool in_time = state.answered.wait_for(
      lock, kCredentialTimeout, [&] { return state.stopped || state.lookups[request].answer.has_value(); });
  auto answer = std::move(state.lookups[request].answer);
  state.lookups.erase(request);
  if (answer) return std::move(*answer);
  if (!in_time) return make_error(ErrorCode::kCredentials, "looking up credentials took more than 120 s");
  return make_error(ErrorCode::kCancelled, "the interpreter is ending");
}

void add_event(nb::list& events, const char* kind, nb::object first, nb::object second) {
  events.append(nb::make_tuple(kind, first, second));
}

// [("log", level, message) | ("credentials", request, provider_id) ...]; empty after `timeout_seconds`; None: stop.
std::optional<nb::list> next_events(double timeout_seconds) {
  Service& state = service();
  std::deque<LogLine> lines;
  std::deque<std::pair<uint64_t, uint64_t>> lookups;
  uint64_t dropped = 0;
  bool stopped = false;
  {
    const Unlocked unlocked(/*is_service=*/true);
    std::unique_lock lock(state.mutex);
    state.asked.wait_for(lock, std::chrono::duration<double>(timeout_seconds),
                         [&] { return state.stopped || !state.lines.empty() || !state.new_lookups.empty(); });
    lines.swap(state.lines);
    for (const uint64_t request : state.new_lookups) {
      lookups.emplace_back(request, state.lookups[request].provider_id);
    }
    state.new_lookups.clear();
    std::swap(dropped, state.dropped_lines);
    stopped = state.stopped;
  }
  if (stopped) return std::nullopt;
  nb::list events;
  for (const auto& [request, provider] : lookups) {
    add_event(events, "credentials", nb::int_(request), nb::int_(provider));
  }
  for (const LogLine& line : lines) {
    nb::object text =
        nb::steal(PyUnicode_DecodeUTF8(line.message.data(), static_cast<Py_ssize_t>(line.message.size()), "replace"));
    if (!text.is_valid()) nb::raise_python_error();
    add_event(events, "log", nb::int_(line.level), std::move(text));
  }
  if (dropped != 0) {
    add_event(events, "log", nb::int_(static_cast<int>(LogLevel::kWarning)),
              nb::cast(std::to_string(dropped) + " log lines were dropped: they came faster than logging took them"));
  }
  return events;
}

void answer_lookup(uint64_t request, std::optional<Credentials> credentials, std::string message) {
  Service& state = service();
  std::lock_guard lock(state.mutex);
  const auto found = state.lookups.find(request);
  if (found == state.lookups.end()) return;
  if (credentials) {
    found->second.answer.emplace(std::move(*credentials));
  } else {
    found->second.answer.emplace(make_error(ErrorCode::kCredentials, std::move(message)));
  }
  state.answered.notify_all();
}

// Levels as in Python's logging; above ERROR: silence.
void set_log_level(int minimum) {
  const Unlocked unlocked;
  if (minimum > static_cast<int>(LogLevel::kError)) {
    set_log_sink(nullptr, LogLevel::kError);
    return;
  }
  const LogLevel level = minimum <= 10   ? LogLevel::kDebug
                         : minimum <= 20 ? LogLevel::kInfo
                         : minimum <= 30 ? LogLevel::kWarning
                                         : LogLevel::kError;
  set_log_sink(accept_line, level);
}

}  // namespace

CredentialSource ask_python(uint64_t provider_id) {
  return [provider_id] { return look_up(provider_id); };
}

void stop_service() {
  Service& state = service();
  set_log_sink(nullptr, LogLevel::kError);
  std::lock_guard lock(state.mutex);
  state.stopped = true;
  state.asked.notify_all();
  state.answered.notify_all();
}

void bind_service(nb::module_& module) {
  module.def("next_events", &next_events, "timeout_seconds"_a,
             nb::sig("def next_events(timeout_seconds: float) -> list[tuple[str, int, typing.Any]] | None"),
             "Waits for what the engine wants of Python; None when the interpreter is ending.");
  module.def(
      "answer_lookup", &answer_lookup, "request"_a, "credentials"_a.none(), "message"_a,
      "Hands credentials (or, with None, the reason why there are none) to the engine thread that waits for them.");
  module.def("set_log_level", &set_log_level, "minimum"_a, "The least level (as in logging) the engine hands on.");
  module.def(
      "log", [](int level, const std::string& message) { log(static_cast<LogLevel>(level), message); }, "level"_a,
      "message"_a, "Logs as the engine does: redacted, through the queue. For tests.");
  module.def(
      "redact", [](const std::string& text) { return redact(text); }, "text"_a,
      "The text without the values of credentials.");
  module.def(
      "redact_url", [](const std::string& url) { return redact_url(url); }, "url"_a,
      "What may be shown of a service's URL, well formed or not: scheme, host, port and path.");
}

}  // namespace s3dlio::python
