"""What the engine costs beside a bare loop and the released peers. `python -m benchmarks --help`."""
