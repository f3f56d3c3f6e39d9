"""Reads many objects from one asyncio program: python examples/many_objects_async.py [uri]"""

import asyncio
import sys
import tempfile

import s3dlio_core

COUNT = 100


async def main(uri: str) -> None:
    store = s3dlio_core.open_store(uri)
    await asyncio.gather(*(store.put_async(f"part-{i:03d}", i.to_bytes(2, "big") * 500) for i in range(COUNT)))

    data = await asyncio.gather(*(store.get_async(f"part-{i:03d}") for i in range(COUNT)))
    print("gather:  ", sum(len(item) for item in data), "bytes in", len(data), "objects")

    # One call for all of them costs less than one future each.
    data = await store.get_many_async([f"part-{i:03d}" for i in range(COUNT)])
    print("get_many:", sum(len(item) for item in data), "bytes")

    try:
        async with asyncio.timeout(0.000001):
            await store.get_async("part-000")
        print("timeout:  not reached, the object was there first")
    except TimeoutError:
        print("timeout:  the request is gone and nothing will be written later")

    await store.delete_async([f"part-{i:03d}" for i in range(COUNT)])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(main(f"file://{folder}"))
