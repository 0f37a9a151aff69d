"""A process of its own that works on a bucket: `python -m tests.storage.child`, JSON on stdin.

It says on stdout what came of it: `{"value": ...}`, or `{"error": "NameOfTheError"}`.
"""

import io
import json
import sys
from pathlib import Path

from artifacts.digest import Digest
from storage.config import BucketConfig, Sdk, open_store
from storage.errors import StorageError


def main() -> None:
    told = json.load(sys.stdin)
    config = BucketConfig(**{**told["config"], "sdk": Sdk(told["config"]["sdk"])})
    store = open_store(config, Path("nowhere"))
    upload_id = told["upload_id"]
    try:
        match told["verb"]:
            case "append":
                data = Path(told["file"]).read_bytes()
                value = store.append(upload_id, told["offset"], io.BytesIO(data), len(data))
            case "commit":
                value = store.commit(upload_id, Digest.parse(told["digest"]))
            case "abort":
                value = store.abort(upload_id)
    except StorageError as error:
        print(json.dumps({"error": type(error).__name__}))  # noqa: T201
    else:
        print(json.dumps({"value": value}))  # noqa: T201


if __name__ == "__main__":
    main()
