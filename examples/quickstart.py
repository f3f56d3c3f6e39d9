"""The verbs of a store, one after the other: python examples/quickstart.py [s3://bucket/prefix | file:///folder]"""

import sys
import tempfile

import s3dlio_core


def main(uri: str) -> None:
    store = s3dlio_core.open_store(uri)

    store.put("greeting.txt", b"hello, world")
    print("get:      ", bytes(store.get("greeting.txt")))
    print("get_range:", bytes(store.get_range("greeting.txt", start=7, end=12)))

    ready = bytearray(5)  # a tensor does as well: the bytes are received straight into it
    count = store.get_into("greeting.txt", ready, offset=7)
    print("get_into: ", count, "bytes,", bytes(ready))

    print("head:     ", store.head("greeting.txt").size, "bytes")
    print("list:     ", [item.key for item in store.list()])

    try:
        store.put("greeting.txt", b"again", if_none_match=True)
    except s3dlio_core.ObjectExistsError as error:
        print("put twice:", type(error).__name__)

    with store.open_writer("lines.txt") as writer:  # in parts, in bounded memory; visible only when the block ends well
        for number in range(3):
            writer.write(f"line {number}\n".encode())
    with store.open_reader("lines.txt") as reader:
        reader.seek(7)
        print("reader:   ", reader.read())

    store.copy("lines.txt", "copy.txt")
    store.delete(["greeting.txt", "lines.txt", "copy.txt"])
    print("left:     ", [item.key for item in store.list()])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(f"file://{folder}")
