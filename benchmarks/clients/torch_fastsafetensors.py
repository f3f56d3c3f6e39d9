"""fastsafetensors on a local file."""

import harness
from fastsafetensors import fastsafe_open
from harness import Job, Prepared
from safetensors.torch import save_file
from states import weights


def load_weights(job: Job) -> Prepared:
    name = f"{job.bucket.partition('://')[2]}/{job.prefix}fast.safetensors"

    def load() -> dict[str, object]:
        with fastsafe_open(filenames=[name], nogds=True, device="cpu") as file:
            return {tensor_name: file.get_tensor(tensor_name).clone().detach() for tensor_name in list(file.keys())}

    return weights(job, lambda state: save_file(state, name), load)


if __name__ == "__main__":
    harness.main("fastsafetensors", load_weights)
