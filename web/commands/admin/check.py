"""`recipebox admin check`: whether the database and the store agree."""

import sys
from collections import Counter
from typing import Any

import click

from web.commands.admin.common import opened_registry
from web.commands.common import (
    FAILED,
    STORE_SETTINGS,
    json_option,
    print_json,
    setting_options,
    wants_json,
)


@click.command("check")
@setting_options("data", "database", *STORE_SETTINGS)
@click.option("--repair", is_flag=True, help="Mend what can be mended from what is there.")
@click.option("--all-lost", is_flag=True, help="Repair even where no stored bytes are there.")
@click.option("--quick", is_flag=True, help="Compare the lengths of stored bytes, not digests.")
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    /,
    *,
    repair: bool,
    all_lost: bool,
    quick: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Prove that the database and the store agree: nothing missing, corrupt or orphaned.

    Works while the server runs, and reads every stored byte. Ends with 1 when something is wrong
    and wasn't mended. What is wrong is listed, each with where it is and what can be done; nothing
    is changed without --repair, and every repair is in the audit log. A store that has none of the
    bytes that the database names is taken for the wrong one, and nothing is mended: --all-lost says
    that they are lost indeed.

    \b
    Examples:
      recipebox admin check --data DIR
      recipebox admin check --data DIR --repair
    """  # noqa: D301 - \b is click's
    as_json = wants_json(ctx, as_json)
    looked_at: dict[str, int] = {}
    drawn: list[dict[str, str | None]] = []
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.check.findings import advice

        def progress(stage: str, seen: int) -> None:
            looked_at[stage] = seen
            if sys.stderr.isatty():
                click.echo(f"\r\033[K{stage}: {seen}", nl=False, err=True)

        # All is looked at before anything is mended: a repair must not hide what is beside it.
        findings = list(registry.checker.run(progress, reads_bytes=not quick))
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
        if repair and not all_lost:
            registry.repair.require_common(findings)
        for finding in findings:
            done = registry.repair.mend(finding) if repair else None
            hint = advice(finding.problem)
            drawn.append(
                {
                    "problem": finding.problem.value,
                    "where": finding.where,
                    "detail": finding.detail,
                    "mended": done,
                    "hint": None if done else hint,
                }
            )
            if not as_json:
                click.echo(f"{finding.problem}: {finding.where}: {finding.detail}")
                click.echo(f"  mended: {done}" if done else f"  {hint}")
    mended = sum(1 for one in drawn if one["mended"])
    wrong = len(drawn) - mended
    if as_json:
        counts = Counter(str(one["problem"]) for one in drawn)
        print_json(
            {
                "looked_at": looked_at,
                "problems": dict(counts),
                "findings": drawn,
                "mended": mended,
                "wrong": wrong,
            }
        )
    else:
        click.echo(_summary(looked_at, wrong, mended))
    if wrong:
        raise click.exceptions.Exit(FAILED)


def _summary(looked_at: dict[str, int], wrong: int, mended: int) -> str:
    seen = ", ".join(
        f"{looked_at[stage]} {stage}" for stage in ("repositories", "manifests", "tags", "blobs")
    )
    if not wrong and not mended:
        return f"Looked at {seen}: database and store agree."
    rest = f"{mended} mended; " if mended else ""
    return f"Looked at {seen}: {rest}{wrong} wrong."
