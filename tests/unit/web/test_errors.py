"""The one table: every error of the domain has its status, code and OCI code."""

from datetime import UTC, datetime

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch, InvalidDigest
from registry import errors as registry
from storage.errors import StoreUnavailable, UploadBusy
from web import errors as web
from web.errors import TABLE, find_row, problem_of

OCI_CODES = {
    *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID"),
    *("MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID"),
    *("NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"),
}  # distribution-spec 1.1, "Error Codes"


def descendants(kind: type[Exception]) -> list[type[Exception]]:
    found = []
    for child in kind.__subclasses__():
        found += [child, *descendants(child)]
    return found


@pytest.mark.parametrize(
    "kind", descendants(registry.RegistryError), ids=lambda kind: kind.__name__
)
def test_every_error_of_the_registry_has_a_row(kind):
    if kind.__subclasses__() and kind is registry.AccessError:
        return  # only a family: its members have rows of their own
    assert find_row(kind) is not None, f"{kind.__name__} would be answered as a defect"


@pytest.mark.parametrize("kind", descendants(web.WebError), ids=lambda kind: kind.__name__)
def test_every_error_of_our_own_has_a_row(kind):
    assert find_row(kind) is not None


def test_rows_use_the_codes_of_the_distribution_specification():
    assert {row.oci for row in TABLE.values()} <= OCI_CODES
    assert all(400 <= row.status < 600 for row in TABLE.values())


def test_an_error_tells_its_values():
    error = registry.ReleaseExists("team/etl", "1.0.0", listed="sha256:a", offered="sha256:b")

    problem = problem_of(error)

    assert (problem.status, problem.code, problem.oci) == (409, "release_exists", "DENIED")
    assert problem.hint == "a version never changes: publish these bytes as another version"
    assert problem.values == {
        "package": "team/etl",
        "version": "1.0.0",
        "listed": "sha256:a",
        "offered": "sha256:b",
    }


def test_the_nearest_row_wins():
    moment = datetime(2026, 1, 31, tzinfo=UTC)

    assert problem_of(registry.ExpiredToken("ada", moment)).code == "expired_token"
    assert problem_of(registry.InvalidToken()).code == "invalid_token"
    assert problem_of(registry.ManifestTooLarge(9, 5)).status == 413
    assert problem_of(InvalidDigest("x")).oci == "DIGEST_INVALID"


def test_values_are_drawn_as_json():
    class Odd(registry.Conflict):
        def __init__(self) -> None:
            self.digest = Digest.of(b"")
            self.names = ("a", "b")
            self.members = {"x": datetime(2026, 1, 31, tzinfo=UTC)}
            self.status = "not the problem's"
            self._hidden = 1

    assert problem_of(Odd()).values == {
        "digest": str(Digest.of(b"")),
        "names": ["a", "b"],
        "members": {"x": "2026-01-31 00:00:00+00:00"},
    }


def test_a_defect_tells_nothing_of_itself():
    problem = problem_of(UploadBusy("secret-id"))

    assert (problem.status, problem.code) == (500, "internal_error")
    assert "secret-id" not in problem.detail
    assert problem.values == {}


def test_what_is_broken_here_names_no_folder():
    problem = problem_of(StoreUnavailable("/srv/data", "no space left on device"))

    assert (problem.status, problem.code) == (503, "store_unavailable")
    assert problem.headers == {"Retry-After": "5"}
    assert "/srv/data" not in str(problem)


def test_an_upload_that_clashes_says_where_it_goes_on():
    problem = problem_of(registry.OffsetConflict("id", size=100, found=50))

    assert problem.status == 416
    assert problem.headers == {"Range": "0-99"}


def test_a_range_that_can_not_be_had_says_how_much_there_is():
    assert problem_of(web.RangeNotSatisfiable("bytes=9-", 5)).headers == {
        "Content-Range": "bytes */5"
    }


def test_errors_of_http_keep_their_words():
    assert problem_of(NotFound()).code == "not_found"
    problem = problem_of(MethodNotAllowed(valid_methods=["PUT", "GET"]))
    assert (problem.status, problem.headers) == (405, {"Allow": "GET, PUT"})
    assert problem.oci == "UNSUPPORTED"


def test_a_digest_that_differs_names_both():
    error = DigestMismatch("upload 1", expected="sha256:a", found="sha256:b")

    assert problem_of(error).values["expected"] == "sha256:a"
    assert problem_of(error).values["found"] == "sha256:b"
