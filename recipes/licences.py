"""Licences of wheels, as their metadata has them; nothing is guessed from the text of a licence.

What counts is the first of these that a wheel's METADATA says something by: License-Expression
(PEP 639), the classifiers `License :: ...` where each has one SPDX identifier, and the free text of
License where it is short; a whole licence in that field is named by its first line.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.metadata import RawMetadata, parse_email

from recipes.errors import WheelError

_LARGEST = 4 << 20  # bytes of METADATA: it holds a readme too
_LONGEST = 80  # characters of a License field that is a name, and no text
_UNKNOWN = {"", "unknown", "other", "none", "n/a"}

_CLASSIFIERS: Final = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Open Software License 3.0 (OSL-3.0)": "OSL-3.0",
    "PostgreSQL License": "PostgreSQL",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "University of Illinois/NCSA Open Source License": "NCSA",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}
"""The last part of a trove classifier -> SPDX. Those that mean several licences ("BSD License",
"Apache Software License") aren't here (PEP 639, "Mapping license classifiers to SPDX identifiers").
"""


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """What a wheel says of itself: `license` is an SPDX expression, a name, or None.

    `license_files` are its texts by the names that METADATA gives; `requires` its Requires-Dist.
    """

    license: str | None
    license_files: tuple[str, ...]
    requires: tuple[str, ...]
    summary: str


def read_facts(path: Path, filename: str) -> WheelFacts:
    """Read the METADATA of the wheel at `path`.

    Raises:
        WheelError: it is no wheel, or has none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [
                each
                for each in archive.infolist()
                if each.filename.endswith(".dist-info/METADATA") and each.filename.count("/") == 1
            ]
            if len(inside) != 1 or inside[0].file_size > _LARGEST:
                raise WheelError(f"{filename} has no metadata that can be read")
            raw, _ = parse_email(archive.read(inside[0]))
    except (zipfile.BadZipFile, OSError) as error:
        raise WheelError(f"{filename} can't be read: {error}") from error
    return WheelFacts(
        _license_of(raw),
        tuple(sorted(raw.get("license_files", []))),
        tuple(raw.get("requires_dist", [])),
        " ".join(raw.get("summary", "").split()),
    )


def _license_of(raw: RawMetadata) -> str | None:
    expression = raw.get("license_expression", "").strip()
    if expression:
        return expression
    named = [each for each in raw.get("classifiers", []) if each.startswith("License :: ")]
    by_classifier = _of_classifiers([each.rpartition(" :: ")[2] for each in named])
    said = raw.get("license", "").strip()
    lines = said.splitlines()
    is_name = len(lines) == 1 and len(said) <= _LONGEST and said.lower() not in _UNKNOWN
    if by_classifier is not None:
        return by_classifier
    if is_name:
        return said
    if lines and said.lower() not in _UNKNOWN:
        return " ".join(lines[0].split())[:_LONGEST]
    return named[0].rpartition(" :: ")[2] if named else None


def _of_classifiers(names: Sequence[str]) -> str | None:
    """Return an expression where each has an identifier: several mean any of them, on PyPI."""
    found = sorted({_CLASSIFIERS[each] for each in names if each in _CLASSIFIERS})
    if not found or len(found) != len(set(names) - {"OSI Approved"}):
        return None
    return " OR ".join(found)
