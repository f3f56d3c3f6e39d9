/* Opens the store named by its first argument, and writes, looks at, lists, reads and deletes objects in it, by every
 * function of the C interface. Options follow in pairs. Prints "ok"; ends with 1 at the first thing that is not as it
 * should be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3dlio.h"

static void fail(const char* what, int line, s3dlio_error* error) {
  fprintf(stderr, "line %d: %s: %s (code %d, %s %s)\n", line, what, s3dlio_error_message(error),
          (int)s3dlio_error_code(error), s3dlio_error_operation(error), s3dlio_error_uri(error));
  exit(1);
}

#define SUCCEEDS(call)                                           \
  do {                                                           \
    error = NULL;                                                \
    if ((call) != S3DLIO_OK) fail(#call, __LINE__, error);       \
    if (error != NULL) fail("an error object", __LINE__, error); \
  } while (0)
#define FAILS(expected, call)                                                 \
  do {                                                                        \
    error = NULL;                                                             \
    if ((call) != (expected) || error == NULL) fail(#call, __LINE__, error);  \
    if (s3dlio_error_code(error) != (expected)) fail(#call, __LINE__, error); \
    s3dlio_error_free(error);                                                 \
    error = NULL;                                                             \
  } while (0)
#define HOLDS(condition)                                \
  do {                                                  \
    if (!(condition)) fail(#condition, __LINE__, NULL); \
  } while (0)

enum { kLarge = 3 * 1024 * 1024 + 17 };

static s3dlio_error* error;

static void note(void* data) { *(volatile int*)data = 1; }

static char* pattern(size_t size) {
  char* bytes = malloc(size);
  size_t i;
  HOLDS(bytes != NULL);
  for (i = 0; i < size; ++i) bytes[i] = (char)(i * 31 + i / 251);
  return bytes;
}

static void check_whole_objects(s3dlio_store* store) {
  char into[16];
  s3dlio_stat stat = S3DLIO_INIT(s3dlio_stat);
  s3dlio_read_options wanted = S3DLIO_INIT(s3dlio_read_options);
  s3dlio_read_result read = S3DLIO_INIT(s3dlio_read_result);
  s3dlio_put_options create = S3DLIO_INIT(s3dlio_put_options);
  s3dlio_put_result put = S3DLIO_INIT(s3dlio_put_result);

  create.if_none_match = 1;
  SUCCEEDS(s3dlio_put(store, "greeting", "hello, world", 12, &create, &put, &error));
  HOLDS(put.size == 12);
  FAILS(S3DLIO_ALREADY_EXISTS, s3dlio_put(store, "greeting", "again", 5, &create, NULL, &error));
  SUCCEEDS(s3dlio_head(store, "greeting", &stat, &error));
  HOLDS(stat.size == 12 && stat.etag[0] != '\0' && stat.last_modified > 1e9);
  wanted.if_match = stat.etag;
  SUCCEEDS(s3dlio_read(store, "greeting", 7, into, sizeof into, &wanted, &read, &error));
  HOLDS(read.bytes_read == 5 && read.object_size == 12 && memcmp(into, "world", 5) == 0);
  HOLDS(strcmp(read.etag, stat.etag) == 0);
  wanted.if_match = "\"another\"";
  FAILS(S3DLIO_PRECONDITION_FAILED, s3dlio_read(store, "greeting", 0, into, 5, &wanted, NULL, &error));
  FAILS(S3DLIO_NOT_FOUND, s3dlio_read(store, "nothing", 0, into, 5, NULL, NULL, &error));
  FAILS(S3DLIO_NOT_FOUND, s3dlio_head(store, "nothing", &stat, &error));
  FAILS(S3DLIO_RANGE_NOT_SATISFIABLE, s3dlio_read(store, "greeting", 100, into, 5, NULL, NULL, &error));
  HOLDS(s3dlio_read(store, "nothing", 0, into, 5, NULL, NULL, NULL) == S3DLIO_NOT_FOUND);
}

static void check_misuse(s3dlio_store* store) {
  char into[4];
  s3dlio_stat unset = {0, 0, 0, ""};
  struct {
    s3dlio_read_options known;
    void* unknown;
  } larger = {S3DLIO_INIT(s3dlio_read_options), NULL};
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_head(store, "greeting", &unset, &error));
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_head(store, NULL, NULL, &error));
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_head(NULL, "greeting", NULL, &error));
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_read(store, "greeting", 0, NULL, 4, NULL, NULL, &error));
  /* A program of a later version: what it adds must be left at zero. */
  larger.known.struct_size = sizeof larger;
  SUCCEEDS(s3dlio_read(store, "greeting", 0, into, 4, &larger.known, NULL, &error));
  larger.unknown = into;
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_read(store, "greeting", 0, into, 4, &larger.known, NULL, &error));
  s3dlio_close(NULL);
  s3dlio_error_free(NULL);
  s3dlio_pending_free(NULL);
  s3dlio_list_free(NULL);
  s3dlio_writer_free(NULL);
}

static void check_writer(s3dlio_store* store, const char* bytes) {
  s3dlio_put_result put = S3DLIO_INIT(s3dlio_put_result);
  s3dlio_writer* writer = NULL;
  size_t at;
  SUCCEEDS(s3dlio_writer_open(store, "deep/large", NULL, &writer, &error));
  for (at = 0; at < kLarge; at += 1000000) {
    const size_t left = kLarge - at;
    SUCCEEDS(s3dlio_writer_write(writer, bytes + at, left < 1000000 ? left : 1000000, &error));
  }
  FAILS(S3DLIO_NOT_FOUND, s3dlio_head(store, "deep/large", NULL, &error));
  SUCCEEDS(s3dlio_writer_close(writer, &put, &error));
  HOLDS(put.size == kLarge);
  s3dlio_writer_free(writer);

  SUCCEEDS(s3dlio_writer_open(store, "deep/aborted", NULL, &writer, &error));
  SUCCEEDS(s3dlio_writer_write(writer, bytes, 1000, &error));
  SUCCEEDS(s3dlio_writer_abort(writer, &error));
  SUCCEEDS(s3dlio_writer_abort(writer, &error));
  s3dlio_writer_free(writer);
  SUCCEEDS(s3dlio_writer_open(store, "deep/dropped", NULL, &writer, &error));
  SUCCEEDS(s3dlio_writer_write(writer, bytes, 1000, &error));
  s3dlio_writer_free(writer);
  FAILS(S3DLIO_NOT_FOUND, s3dlio_head(store, "deep/aborted", NULL, &error));
}

static void check_pending(s3dlio_store* store, const char* bytes) {
  char* into = malloc(kLarge);
  volatile int is_noted = 0;
  s3dlio_pending* pending = NULL;
  s3dlio_read_result read = S3DLIO_INIT(s3dlio_read_result);
  s3dlio_code code;
  HOLDS(into != NULL);
  SUCCEEDS(s3dlio_read_start(store, "deep/large", 0, into, kLarge, NULL, &pending, &error));
  s3dlio_pending_on_done(pending, note, (void*)&is_noted);
  while (!s3dlio_pending_wait(pending, 10)) {
  }
  SUCCEEDS(s3dlio_pending_result(pending, &read, &error));
  HOLDS(read.bytes_read == kLarge && memcmp(into, bytes, kLarge) == 0);
  FAILS(S3DLIO_CLOSED, s3dlio_pending_result(pending, &read, &error));
  s3dlio_pending_free(pending);

  SUCCEEDS(s3dlio_read_start(store, "deep/large", 0, into, kLarge, NULL, &pending, &error));
  s3dlio_pending_cancel(pending);
  code = s3dlio_pending_result(pending, NULL, NULL);
  HOLDS(code == S3DLIO_OK || code == S3DLIO_CANCELLED);
  s3dlio_pending_free(pending);
  SUCCEEDS(s3dlio_read_start(store, "deep/large", 0, into, kLarge, NULL, &pending, &error));
  s3dlio_pending_free(pending); /* dropped on the way: nothing writes to `into` any more */
  free(into);
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_read_start(store, "k", 0, NULL, 1, NULL, &pending, &error));
}

static void check_listing(s3dlio_store* store) {
  static const char* const kAll[] = {"deep/large", "greeting", "other"};
  static const char* const kFolded[] = {"deep/", "greeting", "other"};
  s3dlio_list_options options = S3DLIO_INIT(s3dlio_list_options);
  s3dlio_entry entry = S3DLIO_INIT(s3dlio_entry);
  s3dlio_listing* listing = NULL;
  int i;
  SUCCEEDS(s3dlio_put(store, "other", "", 0, NULL, NULL, &error));
  options.page_size = 1;
  SUCCEEDS(s3dlio_list(store, "", &options, &listing, &error));
  for (i = 0; i < 3; ++i) {
    SUCCEEDS(s3dlio_list_next(listing, &entry, &error));
    HOLDS(entry.key != NULL && strcmp(entry.key, kAll[i]) == 0 && !entry.is_prefix);
  }
  HOLDS(entry.size == 0 && entry.etag[0] != '\0');
  SUCCEEDS(s3dlio_list_next(listing, &entry, &error));
  HOLDS(entry.key == NULL);
  s3dlio_list_free(listing);

  options.page_size = 0;
  options.delimiter = "/";
  SUCCEEDS(s3dlio_list(store, "", &options, &listing, &error));
  for (i = 0; i < 3; ++i) {
    SUCCEEDS(s3dlio_list_next(listing, &entry, &error));
    HOLDS(entry.key != NULL && strcmp(entry.key, kFolded[i]) == 0 && entry.is_prefix == (i == 0));
  }
  SUCCEEDS(s3dlio_list_next(listing, &entry, &error));
  HOLDS(entry.key == NULL);
  s3dlio_list_free(listing);
  options.start_after = "greeting";
  SUCCEEDS(s3dlio_list(store, "", &options, &listing, &error));
  SUCCEEDS(s3dlio_list_next(listing, &entry, &error));
  HOLDS(entry.key != NULL && strcmp(entry.key, "other") == 0);
  s3dlio_list_free(listing);
}

int main(int count, char** arguments) {
  s3dlio_store* store = NULL;
  char* text = NULL;
  char* bytes = pattern(kLarge);
  const char* const wrong[] = {"no_such_option", "1", NULL};
  if (count < 2) return 2;
  HOLDS(s3dlio_abi_version() == S3DLIO_ABI_VERSION && s3dlio_version()[0] != '\0');
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_open("nonsense", NULL, &store, &error));
  FAILS(S3DLIO_INVALID_ARGUMENT, s3dlio_open(arguments[1], wrong, &store, &error));
  SUCCEEDS(s3dlio_open(arguments[1], (const char* const*)arguments + 2, &store, &error));
  SUCCEEDS(s3dlio_describe(arguments[1], (const char* const*)arguments + 2, &text, &error));
  HOLDS(strstr(text, "part_size=") != NULL && strstr(text, "secret") == NULL);
  s3dlio_string_free(text);

  check_whole_objects(store);
  check_misuse(store);
  check_writer(store, bytes);
  check_pending(store, bytes);
  check_listing(store);
  SUCCEEDS(s3dlio_delete(store, "greeting", &error));
  SUCCEEDS(s3dlio_delete(store, "greeting", &error));
  SUCCEEDS(s3dlio_delete(store, "deep/large", &error));
  SUCCEEDS(s3dlio_delete(store, "other", &error));
  s3dlio_close(store);
  free(bytes);
  HOLDS(s3dlio_shutdown(5000) == 1);
  puts("ok");
  return 0;
}
