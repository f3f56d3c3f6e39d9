"""`python -m s3dlio_core.cli`: the program without its installed name."""

from s3dlio_core.cli.commands import main

if __name__ == "__main__":
    main()
