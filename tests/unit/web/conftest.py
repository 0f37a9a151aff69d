"""The web's rooms are given the same site as its stories."""

from tests.stories.web.conftest import admin, make_site, new_site, site

__all__ = ["admin", "make_site", "new_site", "site"]
