"""The questions, in the order of the page."""

from benchmarks.questions import (
    checkpoints,
    file_read,
    large_get,
    large_get_buffer,
    list_keys,
    medium_get,
    put_large,
    put_many,
    samples,
    small_get,
    tls,
    verified_get,
    weights,
)
from benchmarks.questions.question import Question

__all__ = ["QUESTIONS", "Question"]

QUESTIONS: dict[str, Question] = {
    one.name: one
    for one in (
        large_get.QUESTION,
        large_get_buffer.QUESTION,
        small_get.QUESTION,
        medium_get.QUESTION,
        *tls.QUESTIONS,
        verified_get.QUESTION,
        put_large.QUESTION,
        put_many.QUESTION,
        list_keys.QUESTION,
        *file_read.QUESTIONS,
        *samples.QUESTIONS,
        *checkpoints.QUESTIONS,
        *weights.QUESTIONS,
    )
}
