"""s3dlio delete-bucket"""

import sys

from s3dlio_core.cli.app import command
from s3dlio_core.cli.create_bucket import Bucket, bucket_uri
from s3dlio_core.cli.session import Session


@command("delete-bucket")
def delete_bucket(session: Session, bucket: Bucket) -> None:
    """Delete an empty bucket. For file:// it is an empty folder. One that holds anything is refused.

    \b
    Examples:
      s3dlio delete-bucket train
      s3dlio rm -r --yes s3://train && s3dlio delete-bucket train
    """
    uri = bucket_uri(bucket)
    session.open_bucket(uri).delete_bucket()
    print(f"deleted {uri}", file=sys.stderr)
