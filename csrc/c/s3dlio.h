/* The C interface of libs3dlio: objects in S3, files and O_DIRECT files, without Python and without a framework.
 *
 * Results.  A function that can fail gives an s3dlio_code, S3DLIO_OK (0) where it succeeded. Where it fails and `error`
 *           is not NULL, *error is a new s3dlio_error, which the caller frees; where it succeeds *error is NULL.
 * Memory.   What comes from an _open, _start or _list function is given back to its _close or _free, which take NULL.
 *           Strings are UTF-8 and end with a NUL. A string inside a result belongs to what it came from. Strings,
 * options and memory that are passed in need to live for the call alone, except where a function says otherwise.
 * Structs.  Each begins with struct_size, which the caller sets to sizeof of it before it is passed: so a library that
 * is newer than the program fills only what the program knows of. S3DLIO_INIT does so: s3dlio_stat s =
 * S3DLIO_INIT(s3dlio_stat); Threads.  A store may be used by any number of threads at once. Everything else (a writer,
 * a listing, a pending read, an error) is for one thread at a time, except s3dlio_pending_cancel(), which any thread
 * may call. Fork.     A store lives in the process that opened it; in a forked child its functions give S3DLIO_CLOSED,
 * and the child opens one of its own. The end.  exit() takes back what is under way and aborts open writers (see
 * s3dlio_shutdown()). Keys.     1 to 1024 bytes, relative to the URI the store was opened with; nothing in them is
 * collapsed or decoded.
 */
#ifndef S3DLIO_H
#define S3DLIO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define S3DLIO_API __attribute__((visibility("default")))
#else
#define S3DLIO_API
#endif

/* Rises when something that was there changes or goes; the library's SONAME ends with it. What is only added leaves it.
 */
#define S3DLIO_ABI_VERSION 1

#ifdef __cplusplus
#define S3DLIO_INIT(type) s3dlio_detail::initial<type>()
#else
#define S3DLIO_INIT(type) {.struct_size = sizeof(type)}
#endif

/* The S3DLIO_ABI_VERSION the library was built with; a program that loads it by name compares it with its own. */
S3DLIO_API uint32_t s3dlio_abi_version(void);
/* "0.1.0" */
S3DLIO_API const char* s3dlio_version(void);

/* ---- errors ---- */

typedef int32_t s3dlio_code;
enum {
  S3DLIO_OK = 0,
  S3DLIO_INVALID_ARGUMENT = 1,      /* the call itself is wrong */
  S3DLIO_NOT_FOUND = 2,             /* no such object */
  S3DLIO_BUCKET_NOT_FOUND = 3,      /* no such bucket; of files: the root folder */
  S3DLIO_ACCESS_DENIED = 4,         /* known credentials, not allowed */
  S3DLIO_CREDENTIALS = 5,           /* none, wrong ones, or expired ones */
  S3DLIO_ALREADY_EXISTS = 6,        /* a conditional create met an object */
  S3DLIO_PRECONDITION_FAILED = 7,   /* the object has another etag, or changed while it was read */
  S3DLIO_RANGE_NOT_SATISFIABLE = 8, /* the range starts past the object's end */
  S3DLIO_TIMEOUT = 9,               /* after the last retry, as the next four */
  S3DLIO_CONNECTION = 10,
  S3DLIO_TLS = 11,
  S3DLIO_THROTTLED = 12,
  S3DLIO_SERVER = 13,
  S3DLIO_PROTOCOL = 14,          /* an answer that breaks HTTP or the service's contract */
  S3DLIO_CHECKSUM_MISMATCH = 15, /* what was read differs from its stored checksum: the memory is invalid */
  S3DLIO_INTEGRITY = 16,         /* what the service stored is not what was sent */
  S3DLIO_REDIRECT = 17,          /* a redirect that must not be followed */
  S3DLIO_NO_SPACE = 18,
  S3DLIO_IO = 19, /* any other failure of the local system */
  S3DLIO_IS_A_DIRECTORY = 20,
  S3DLIO_NOT_A_DIRECTORY = 21,
  S3DLIO_UNSUPPORTED = 22, /* this store cannot do that */
  S3DLIO_CANCELLED = 23,
  S3DLIO_CLOSED = 24, /* closed already, or opened before fork() */
  S3DLIO_CONCURRENT_USE = 25,
  S3DLIO_INTERNAL = 26 /* a defect of the library */
};

typedef struct s3dlio_error s3dlio_error;

S3DLIO_API s3dlio_code s3dlio_error_code(const s3dlio_error* error);
/* What was seen, what was expected, the likely cause, in English; never a secret. These never give NULL. */
S3DLIO_API const char* s3dlio_error_message(const s3dlio_error* error);
S3DLIO_API const char* s3dlio_error_operation(const s3dlio_error* error);    /* "get", "put", ... */
S3DLIO_API const char* s3dlio_error_uri(const s3dlio_error* error);          /* "s3://bucket/key", "" */
S3DLIO_API const char* s3dlio_error_service_code(const s3dlio_error* error); /* "SlowDown", "" */
S3DLIO_API const char* s3dlio_error_request_id(const s3dlio_error* error);
S3DLIO_API int s3dlio_error_http_status(const s3dlio_error* error); /* of the last answer; 0: there was none */
S3DLIO_API int s3dlio_error_attempts(const s3dlio_error* error);    /* requests made */
/* 1: the same call may succeed later (time-outs, connections, throttling, failing servers). */
S3DLIO_API int s3dlio_error_is_retryable(const s3dlio_error* error);
/* 1: the change may have been carried out although the call failed. */
S3DLIO_API int s3dlio_error_may_have_taken_effect(const s3dlio_error* error);
S3DLIO_API void s3dlio_error_free(s3dlio_error* error);

/* ---- stores ---- */

typedef struct s3dlio_store s3dlio_store;

/* Opens "s3://bucket/prefix/", "file:///folder/" or "direct:///folder/" (O_DIRECT). Nothing is sent yet.
 * `options`: names and values in turn, then NULL; NULL: none. {"region", "eu-central-1", "part_size", "16MiB", NULL}
 * Their names are in docs/c_api.md; what is not given comes from the environment (AWS_*, S3DLIO_*) and the AWS tools'
 * files. Credentials are looked for at the first request.
 * S3DLIO_INVALID_ARGUMENT: a URI, option or variable that makes no sense; the message names it. */
S3DLIO_API s3dlio_code s3dlio_open(const char* uri, const char* const* options, s3dlio_store** store,
                                   s3dlio_error** error);
/* Calls under way go on to their end. */
S3DLIO_API void s3dlio_close(s3dlio_store* store);

/* The options s3dlio_open() would open with, as lines "name=value" in alphabetical order, without secrets.
 * *text is freed by s3dlio_string_free(). */
S3DLIO_API s3dlio_code s3dlio_describe(const char* uri, const char* const* options, char** text, s3dlio_error** error);
S3DLIO_API void s3dlio_string_free(char* text);

/* ---- reading ---- */

#define S3DLIO_ETAG_SIZE 256

typedef struct s3dlio_read_options {
  size_t struct_size;
  const char* if_match; /* an etag; S3DLIO_PRECONDITION_FAILED where the object has another; NULL: any */
} s3dlio_read_options;

typedef struct s3dlio_read_result {
  size_t struct_size;
  uint64_t bytes_read;         /* less than asked for only where the object ends inside the range */
  uint64_t object_size;        /* of the whole object */
  char etag[S3DLIO_ETAG_SIZE]; /* "" where there is none, or it is longer */
} s3dlio_read_result;

/* Fills `into` (`size` bytes) with the object's bytes from `offset` on, and waits for it. `options` and `result` may be
 * NULL. S3DLIO_RANGE_NOT_SATISFIABLE: `offset` lies past the end. After an error the memory's content is undefined. */
S3DLIO_API s3dlio_code s3dlio_read(s3dlio_store* store, const char* key, uint64_t offset, void* into, size_t size,
                                   const s3dlio_read_options* options, s3dlio_read_result* result,
                                   s3dlio_error** error);

/* A read under way. `into` must stay alive until it is done. */
typedef struct s3dlio_pending s3dlio_pending;

S3DLIO_API s3dlio_code s3dlio_read_start(s3dlio_store* store, const char* key, uint64_t offset, void* into, size_t size,
                                         const s3dlio_read_options* options, s3dlio_pending** pending,
                                         s3dlio_error** error);
/* Waits `timeout_ms` milliseconds at most, without end where it is negative. 1: done, nothing writes to the memory any
 * more; 0: not yet. */
S3DLIO_API int s3dlio_pending_wait(s3dlio_pending* pending, int64_t timeout_ms);
/* Asks it to stop. It is over only when it is done; it may still have succeeded. */
S3DLIO_API void s3dlio_pending_cancel(s3dlio_pending* pending);
/* Calls `callback(data)` once it is done: at once if it is, else on a thread of the library, where it must be short,
 * must not block and must not free the pending read. One callback a read; without an effect after the first. */
S3DLIO_API void s3dlio_pending_on_done(s3dlio_pending* pending, void (*callback)(void* data), void* data);
/* Its result, once; waits for it. S3DLIO_CLOSED: it was taken already. */
S3DLIO_API s3dlio_code s3dlio_pending_result(s3dlio_pending* pending, s3dlio_read_result* result, s3dlio_error** error);
/* One that is not done is cancelled and waited for. */
S3DLIO_API void s3dlio_pending_free(s3dlio_pending* pending);

/* ---- what is there ---- */

typedef struct s3dlio_stat {
  size_t struct_size;
  uint64_t size;
  double last_modified; /* seconds since 1970; 0: unknown */
  char etag[S3DLIO_ETAG_SIZE];
} s3dlio_stat;

S3DLIO_API s3dlio_code s3dlio_head(s3dlio_store* store, const char* key, s3dlio_stat* stat, s3dlio_error** error);

typedef struct s3dlio_list_options {
  size_t struct_size;
  const char* delimiter;   /* "/": keys with one after the prefix are folded into prefixes; NULL: all keys */
  const char* start_after; /* keys behind this one only; NULL: all */
  uint32_t page_size;      /* keys a request; 0: 1000 */
} s3dlio_list_options;

typedef struct s3dlio_entry {
  size_t struct_size;
  const char* key; /* until the next call on this listing; NULL: there are no more */
  int is_prefix;   /* 1: a common prefix; then the rest says nothing */
  uint64_t size;
  double last_modified;
  const char* etag; /* as `key` */
} s3dlio_entry;

typedef struct s3dlio_listing s3dlio_listing;

/* The keys that begin with `prefix` ("": all), in ascending order of their bytes; of each page first its prefixes. */
S3DLIO_API s3dlio_code s3dlio_list(s3dlio_store* store, const char* prefix, const s3dlio_list_options* options,
                                   s3dlio_listing** listing, s3dlio_error** error);
/* The next entry; asks for the next page where it has to, and waits for it. After an error: the same page again. */
S3DLIO_API s3dlio_code s3dlio_list_next(s3dlio_listing* listing, s3dlio_entry* entry, s3dlio_error** error);
S3DLIO_API void s3dlio_list_free(s3dlio_listing* listing);

/* ---- writing ---- */

typedef struct s3dlio_put_options {
  size_t struct_size;
  const char* content_type;
  const char* if_match;   /* replace only that etag */
  int if_none_match;      /* 1: create only; S3DLIO_ALREADY_EXISTS if something is there */
  uint64_t expected_size; /* of what a writer will be given; 0: unknown */
} s3dlio_put_options;

typedef struct s3dlio_put_result {
  size_t struct_size;
  uint64_t size;
  char etag[S3DLIO_ETAG_SIZE];
} s3dlio_put_result;

/* Stores `size` bytes under `key`, whole or not at all, and waits for it. */
S3DLIO_API s3dlio_code s3dlio_put(s3dlio_store* store, const char* key, const void* data, size_t size,
                                  const s3dlio_put_options* options, s3dlio_put_result* result, s3dlio_error** error);

typedef struct s3dlio_writer s3dlio_writer;

/* Writes one object piece by piece; nothing is visible before s3dlio_writer_close() succeeds. */
S3DLIO_API s3dlio_code s3dlio_writer_open(s3dlio_store* store, const char* key, const s3dlio_put_options* options,
                                          s3dlio_writer** writer, s3dlio_error** error);
/* Returns when `data` may be changed again; waits while too much is under way. */
S3DLIO_API s3dlio_code s3dlio_writer_write(s3dlio_writer* writer, const void* data, size_t size, s3dlio_error** error);
/* Completes the object; an error aborts it. */
S3DLIO_API s3dlio_code s3dlio_writer_close(s3dlio_writer* writer, s3dlio_put_result* result, s3dlio_error** error);
/* Takes it back. Harmless after close or another abort. */
S3DLIO_API s3dlio_code s3dlio_writer_abort(s3dlio_writer* writer, s3dlio_error** error);
/* Aborts it unless it was closed. */
S3DLIO_API void s3dlio_writer_free(s3dlio_writer* writer);

/* Deletes one object; deleting what is not there succeeds. */
S3DLIO_API s3dlio_code s3dlio_delete(s3dlio_store* store, const char* key, s3dlio_error** error);

/* ---- the end of the process ---- */

/* Takes back everything under way, in every store of the process, and waits for it at most `timeout_ms`. 1: all of it
 * ended in time. Lasting, and only before the process ends: other threads that wait in the library stay there. exit()
 * does it with five seconds where nobody did. */
S3DLIO_API int s3dlio_shutdown(int64_t timeout_ms);

#ifdef __cplusplus
}
namespace s3dlio_detail {
template <class T>
T initial() {
  T value = T();
  value.struct_size = sizeof(T);
  return value;
}
}  // namespace s3dlio_detail
#endif
#endif
