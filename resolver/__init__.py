"""Which releases to use: versions, ranges, the search over the index, locks, and why nothing fits.

No IO: the index comes through a protocol (`resolver.source.IndexSource`). `resolvelib` is used here
and nowhere else.
"""
