"""s3dlio create-bucket"""

import sys
from typing import Annotated

import typer

from s3dlio_core.cli.app import command
from s3dlio_core.cli.location import has_scheme
from s3dlio_core.cli.session import Session

Bucket = Annotated[str, typer.Argument(metavar="BUCKET", help="A name, s3://name, or file:///folder.")]


def bucket_uri(bucket: str) -> str:
    """`bucket` as the URI of a store."""
    return bucket if has_scheme(bucket) else f"s3://{bucket}"


@command("create-bucket")
def create_bucket(session: Session, bucket: Bucket) -> None:
    """Create a bucket. For file:// it is a folder.

    \b
    Examples:
      s3dlio create-bucket train
      s3dlio create-bucket s3://train --region eu-west-1
    """
    uri = bucket_uri(bucket)
    created = session.create_bucket(uri)
    print(f"created {uri}" if created else f"{uri} is there already", file=sys.stderr)
