#include "errors.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <exception>
#include <system_error>

#include "engine/process/thread.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

// Bytes of a server's answer may end up in a message: never let bad UTF-8 hide the error itself.
nb::object decoded(const std::string& text) {
  nb::object result = nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
  if (!result.is_valid()) nb::raise_python_error();
  return result;
}

}  // namespace

// No default: the compiler names a code that is missing here.
const char* class_name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "InvalidArgumentError";
    case ErrorCode::kNotFound:
      return "ObjectNotFoundError";
    case ErrorCode::kBucketNotFound:
      return "BucketNotFoundError";
    case ErrorCode::kAccessDenied:
      return "AccessDeniedError";
    case ErrorCode::kCredentials:
      return "CredentialsError";
    case ErrorCode::kAlreadyExists:
      return "ObjectExistsError";
    case ErrorCode::kPreconditionFailed:
      return "PreconditionError";
    case ErrorCode::kRangeNotSatisfiable:
      return "RangeNotSatisfiableError";
    case ErrorCode::kTimeout:
      return "TransferTimeoutError";
    case ErrorCode::kConnection:
      return "ConnectionFailedError";
    case ErrorCode::kTls:
      return "TlsError";
    case ErrorCode::kThrottled:
      return "ThrottledError";
    case ErrorCode::kServer:
      return "ServerError";
    case ErrorCode::kProtocol:
      return "ProtocolError";
    case ErrorCode::kChecksumMismatch:
      return "ChecksumMismatchError";
    case ErrorCode::kIntegrity:
      return "IntegrityError";
    case ErrorCode::kRedirect:
      return "RedirectError";
    case ErrorCode::kNoSpace:
      return "NoSpaceError";
    case ErrorCode::kIo:
      return "LocalIOError";
    case ErrorCode::kIsADirectory:
      return "IsADirectoryStorageError";
    case ErrorCode::kNotADirectory:
      return "NotADirectoryStorageError";
    case ErrorCode::kUnsupported:
      return "UnsupportedOperationError";
    case ErrorCode::kCancelled:
      return "TransferCancelledError";
    case ErrorCode::kClosed:
      return "ClosedError";
    case ErrorCode::kConcurrentUse:
      return "ConcurrentUseError";
    case ErrorCode::kInternal:
      return "EngineError";
  }
  return "EngineError";
}

std::string text_of(nb::handle object) {
  const nb::object text = nb::steal(PyObject_Str(object.ptr()));
  const nb::object bytes =
      nb::steal(text.is_valid() ? PyUnicode_AsEncodedString(text.ptr(), "utf-8", "replace") : nullptr);
  if (!bytes.is_valid()) {
    PyErr_Clear();
    return "?";
  }
  return std::string(PyBytes_AS_STRING(bytes.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr())));
}

nb::object exception_of(const Error& error) {
  nb::object type = nb::module_::import_("s3dlio_core.errors").attr(class_name_of(error.code));
  return type(decoded(error.message), "operation"_a = decoded(error.operation), "uri"_a = decoded(error.uri),
              "attempts"_a = error.attempts, "http_status"_a = error.http_status,
              "service_code"_a = decoded(error.service_code), "request_id"_a = decoded(error.request_id),
              "may_have_taken_effect"_a = error.may_have_taken_effect);
}

void set_error(const Error& error) {
  nb::object exception = exception_of(error);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
}

void raise_error(const Error& error) {
  set_error(error);
  throw nb::python_error();
}

void raise_error(ErrorCode code, std::string message) { raise_error(make_error(code, std::move(message))); }

void name_call(nb::python_error& error, const char* operation, const std::string& uri) {
  const nb::handle value = error.value();
  if (!nb::hasattr(value, "operation")) return;
  const nb::object known = value.attr("operation");
  if (PyObject_IsTrue(known.ptr()) != 0) return;
  value.attr("operation") = operation;
  value.attr("uri") = decoded(uri);
}

void bind_errors(nb::module_& module) {
  // Where no store names the call: see NativeStore::named().
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
      set_error(refused_by_system(error, "", ""));
    }
  });
  module.def(
      "error_classes",
      [] {
        nb::dict classes;
        for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
          const auto name = name_of(static_cast<ErrorCode>(code));
          classes[nb::str(name.data(), name.size())] = class_name_of(static_cast<ErrorCode>(code));
        }
        return classes;
      },
      nb::sig("def error_classes() -> dict[str, str]"), "The Python class of each engine error code.");
}

}  // namespace s3dlio::python
