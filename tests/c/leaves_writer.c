/* Leaves a writer open, and a read under way, when it ends: exit() takes both back. */
#include <stdio.h>
#include <stdlib.h>

#include "s3dlio.h"

enum { kSize = 24 * 1024 * 1024 };

int main(int count, char** arguments) {
  static char into[1000];
  s3dlio_store* store = NULL;
  s3dlio_writer* writer = NULL;
  s3dlio_pending* pending = NULL;
  char* bytes = calloc(kSize, 1);
  if (count != 2 || bytes == NULL) return 2;
  if (s3dlio_open(arguments[1], NULL, &store, NULL) != S3DLIO_OK) return 3;
  if (s3dlio_writer_open(store, "unfinished", NULL, &writer, NULL) != S3DLIO_OK) return 4;
  if (s3dlio_writer_write(writer, bytes, kSize, NULL) != S3DLIO_OK) return 5;
  if (s3dlio_read_start(store, "slow", 0, into, sizeof into, NULL, &pending, NULL) != S3DLIO_OK) return 6;
  puts("ending");
  return 0;
}
