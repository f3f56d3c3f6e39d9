"""What do the reads cost over TLS? The bare loop calls SSL_read, with OpenSSL reading ahead."""

from benchmarks.questions import large_get, large_get_buffer, small_get
from benchmarks.questions.question import over_tls

QUESTIONS = tuple(over_tls(one.QUESTION) for one in (large_get, large_get_buffer, small_get))
