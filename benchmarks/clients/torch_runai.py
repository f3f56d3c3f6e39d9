"""runai-model-streamer: safetensors files from S3 or a disk through its C++ threads."""

import io
import os
import urllib.request

os.environ["RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING"] = "0"  # read when the library is loaded

import harness
from harness import Job, Prepared
from runai_model_streamer import SafetensorsStreamer
from safetensors.torch import save
from states import weights


def load_weights(job: Job) -> Prepared:
    key = f"{job.prefix}runai.safetensors"
    name = f"s3://{job.bucket}/{key}" if job.endpoint else f"{job.bucket.partition('://')[2]}/{key}"

    def store(state: dict[str, object]) -> None:
        data = save(state)
        if not job.endpoint:
            with open(name, "wb") as file:
                file.write(data)
            return
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = f"{job.endpoint}/{job.bucket}/{key}"
        headers = {"Content-Length": str(len(data))}
        opener.open(urllib.request.Request(url, data=io.BytesIO(data), headers=headers, method="PUT")).close()

    def load() -> dict[str, object]:
        with SafetensorsStreamer() as streamer:
            streamer.stream_file(name)
            return {tensor_name: tensor.clone() for tensor_name, tensor in streamer.get_tensors()}

    return weights(job, store, load)


if __name__ == "__main__":
    harness.main("runai-model-streamer", load_weights)
