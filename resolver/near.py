"""Names that were perhaps meant where one isn't there."""

import difflib
from collections.abc import Iterable

from artifacts.reference import PackageName
from resolver.offers import Offer, Offers
from resolver.source import NamingSource

_NEAR = 0.8  # of difflib's ratio: the namespace alone makes most names alike
_NEAR_EXTRA = 0.6


def near_packages(package: PackageName, offers: Offers) -> list[PackageName]:
    """Return the names of the index that are most like one that isn't in it, at most three."""
    source = offers.snapshot.source
    if not isinstance(source, NamingSource):
        return []
    return near_names(package, source.list_names())


def near_names(package: PackageName, names: Iterable[PackageName]) -> list[PackageName]:
    """Return those names that are most like one, at most three."""
    texts = {str(name): name for name in names}
    near = difflib.get_close_matches(str(package), sorted(texts), n=3, cutoff=_NEAR)
    return [texts[text] for text in near]


def declared_extras(offer: Offer) -> list[str]:
    """Return every extra that some release of a package declares, sorted."""
    return sorted({extra for candidate in offer.candidates for extra in candidate.extras})


def near_extras(extra: str, declared: Iterable[str]) -> list[str]:
    """Return the declared extras that are most like one that isn't declared, at most three."""
    return difflib.get_close_matches(extra, list(declared), n=3, cutoff=_NEAR_EXTRA)
