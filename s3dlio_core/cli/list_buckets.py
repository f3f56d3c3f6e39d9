"""s3dlio list-buckets"""

from s3dlio_core.cli.app import command
from s3dlio_core.cli.options import Json
from s3dlio_core.cli.output import print_json, print_line, rfc3339
from s3dlio_core.cli.session import Session


@command("list-buckets")
def list_buckets(session: Session, *, json: Json = False) -> None:
    """List the buckets of the account. With each comes the time it was created.

    \b
    Examples:
      s3dlio list-buckets
      s3dlio list-buckets --json | jq -r .name
    """
    for bucket in session.open("s3://").list_buckets():
        created = rfc3339(bucket.created)
        if json:
            print_json({"name": bucket.name, "uri": f"s3://{bucket.name}", "created": created})
        else:
            print_line(f"{created or '-':<24}  {bucket.name}")
