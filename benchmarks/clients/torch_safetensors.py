"""The safetensors library on a local file."""

import harness
from harness import Job, Prepared
from safetensors.torch import load_file, save_file
from states import weights


def load_weights(job: Job) -> Prepared:
    name = f"{job.bucket.partition('://')[2]}/{job.prefix}stock.safetensors"

    def load() -> dict[str, object]:
        # It maps the file; a copy is what makes it comparable with loaders that leave nothing to page in later.
        return {name: tensor.clone() for name, tensor in load_file(name).items()}

    return weights(job, lambda state: save_file(state, name), load)


if __name__ == "__main__":
    harness.main("safetensors", load_weights)
