"""The room of the TensorFlow package; nothing is in it yet."""

__all__: list[str] = []
