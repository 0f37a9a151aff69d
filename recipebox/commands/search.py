"""Search the registry's packages."""

import click

from recipebox.invocation import Invocation
from recipebox.output import human_time
from recipebox.prompts import pass_invocation


@click.command("search")
@click.argument("query", metavar="[WORDS]", default="")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@pass_invocation
def command(invocation: Invocation, query: str, limit: int) -> None:
    """Search packages by name and summary; without WORDS, list them.

    \b
    Examples:
      recipebox search etl
      recipebox search --json --limit 100

    \b
    JSON: {packages: [{name, summary, latest, published, signers, proof: BOOL}]}
    """  # noqa: D301 - \b is click's
    found = invocation.client.search(query, limit)
    output = invocation.output
    output.result({"packages": found})
    if not found:
        output.note("nothing found")
    output.table(
        [
            [
                each["name"],
                each["latest"],
                human_time(each["published"]),
                "" if each["proof"] else "no proof",
                each["summary"],
            ]
            for each in found
        ]
    )
