"""The statement of a proof: what `pack` saw when it ran what it had packed."""

import platform as machines
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipes.compared import Comparison, digests_of
from recipes.environment import platform_here
from recipes.package import PackageMetadata
from signing.statement import ProofStatement, ProvedStep, Statement, proof_statement


def draw_proof(
    metadata: PackageMetadata,
    manifest: Digest,
    *,
    exit_code: int,
    seconds: float,
    steps: Sequence[Mapping[str, Any]],
    context: Mapping[str, Any],
    enforced: Sequence[str],
    not_enforced: Mapping[str, str],
    compared: Comparison,
) -> Statement:
    """Return the statement that the release whose manifest is `manifest` was run, here and now."""
    return proof_statement(
        ProofStatement(
            package=PackageName.parse(metadata.name),
            version=metadata.version,
            manifest=manifest,
            exit_code=exit_code,
            steps=tuple(
                ProvedStep(int(step["idx"]), _shown(step["name"]), int(step["exit_code"]))
                for step in steps
            ),
            outputs={_shown(key): digest for key, digest in digests_of(context).items()},
            python=machines.python_version(),
            platform=platform_here() if sys.platform == "linux" else sys.platform,
            runner=metadata.entry.runner,
            milliseconds=round(1000 * seconds),
            enforced=tuple(sorted(enforced)),
            not_enforced={_shown(what): _shown(why) for what, why in not_enforced.items()},
            is_compared=compared.was_run,
            reason=_shown(compared.reason),
            varying=tuple(_shown(each) for each in compared.varying),
        )
    )


def _shown(text: str) -> str:
    """Return a text as a statement can have it: printable, and not empty."""
    return text if text and text.isprintable() else ascii(text)
