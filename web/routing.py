"""How names stand in paths: a repository's name has slashes in it, so it needs its own converter.

::

    /v2/team/etl/image/manifests/latest
        └─────┬──────┘           └─┬──┘
              <repository:name>    <reference>

A name may itself hold segments called `manifests` or `blobs`; the converter is greedy, so the last
such segment is the verb. What it lets through may still break the grammar of names: the views
parse it into a `RepositoryName`, and a bad one is answered with NAME_INVALID.
"""

from werkzeug.routing import BaseConverter


class RepositoryConverter(BaseConverter):
    """One or more segments joined by slashes."""

    part_isolating = False
    regex = r"[^/].*"
