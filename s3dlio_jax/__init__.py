"""The room of the JAX package; nothing is in it yet."""

__all__: list[str] = []
