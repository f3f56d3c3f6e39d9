/* Reads the first bytes of an object, without Python. Build it and run it:
 *
 *   library=$(python -m s3dlio_core.c_api library)
 *   include=$(python -m s3dlio_core.c_api include)
 *   cc -std=c99 read_object.c -I"$include" "$library" -Wl,-rpath,"$(dirname "$library")" -o read_object
 *   ./read_object s3://bucket/folder/ name
 *   ./read_object file:///tmp/ name
 */
#include <inttypes.h>
#include <stdio.h>

#include "s3dlio.h"

static int report(s3dlio_error* error) {
  fprintf(stderr, "%s %s: %s\n", s3dlio_error_operation(error), s3dlio_error_uri(error), s3dlio_error_message(error));
  s3dlio_error_free(error);
  return 1;
}

int main(int count, char** arguments) {
  char into[64];
  s3dlio_store* store = NULL;
  s3dlio_error* error = NULL;
  s3dlio_read_result read = S3DLIO_INIT(s3dlio_read_result);

  if (count != 3) {
    fprintf(stderr, "usage: %s STORE-URI KEY\n", arguments[0]);
    return 2;
  }
  if (s3dlio_open(arguments[1], NULL, &store, &error) != S3DLIO_OK) return report(error);
  if (s3dlio_read(store, arguments[2], 0, into, sizeof into, NULL, &read, &error) != S3DLIO_OK) {
    s3dlio_close(store);
    return report(error);
  }
  printf("%" PRIu64 " of %" PRIu64 " bytes: %.*s\n", read.bytes_read, read.object_size, (int)read.bytes_read, into);
  s3dlio_close(store);
  return 0;
}
