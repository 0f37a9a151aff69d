"""Other registries: how they are logged into, and referrers and mounts as each has them."""

import io
import json
from base64 import b64encode
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_index, image_manifest
from artifacts.reference import RepositoryName, Tag
from recipebox.bearer import RegistryAuth
from recipebox.errors import Denied, Missing, Misuse, Tampered, Unreachable
from recipebox.repositories import Moved, RegistryRepository
from recipebox.transport import Transport
from tests.fakes import WsgiAdapter
from tests.unit.recipebox.test_transport import Script, Step, answer, drop

URL = "http://127.0.0.1:5000"
NAME = RepositoryName("mirror/shop")
LOGIN = ("ada", "secret")
BASIC = "Basic " + b64encode(b"ada:secret").decode()
REALM = 'Bearer realm="http://127.0.0.1:5001/token",service="r",scope="repository:mirror/shop:pull"'
BLOB = Descriptor.of(b"some bytes", "text/plain")
SUBJECT = Digest.of(b"a bundle")
NOTE = image_manifest(
    artifact_type="text/x-note",
    config=EMPTY_CONFIG,
    layers=[],
    subject=Descriptor(media.INDEX, SUBJECT, 8),
)
ON_IT = Descriptor.of(NOTE, media.MANIFEST)


def asks(challenge: str) -> Step:
    return answer("401 Unauthorized", WWW_Authenticate=challenge)


def token(text: str = "t1", member: str = "token") -> Step:
    return answer("200 OK", json.dumps({member: text}).encode())


def over(
    *steps: Step, login: tuple[str, str] | None = LOGIN, retries: int = 0, **options: Any
) -> tuple[RegistryRepository, Script]:
    script = Script(*steps)
    transport = Transport(
        URL,
        auth=RegistryAuth(URL, login, **options),
        retries=retries,
        sleep=lambda _seconds: None,
    )
    transport.session.mount("http://", WsgiAdapter(script))
    return RegistryRepository(transport, NAME), script


def sent(script: Script) -> list[str | None]:
    return [each.get("HTTP_AUTHORIZATION") for each in script.seen]


# Logging in


def test_basic_is_sent_once_it_is_asked_for() -> None:
    place, script = over(asks('Basic realm="r"'), answer("200 OK"), answer("200 OK"))

    assert place.has_manifest(SUBJECT)
    assert place.has_manifest(SUBJECT)

    assert sent(script) == [None, BASIC, BASIC]


def test_a_token_is_had_with_the_login_and_used_again() -> None:
    place, script = over(asks(REALM), token(), answer("200 OK"), answer("200 OK"))

    assert place.has_manifest(SUBJECT)
    assert place.has_manifest(SUBJECT)

    assert sent(script) == [None, BASIC, "Bearer t1", "Bearer t1"]
    assert script.seen[1]["PATH_INFO"] == "/token"
    assert script.seen[1]["QUERY_STRING"] == "service=r&scope=repository%3Amirror%2Fshop%3Apull"


def test_one_that_ended_is_had_anew() -> None:
    place, script = over(
        *(asks(REALM), token(), answer("200 OK")),
        *(asks(REALM), token("t2", "access_token"), answer("200 OK")),
    )

    assert place.has_manifest(SUBJECT)
    assert place.has_manifest(SUBJECT)

    assert sent(script)[-1] == "Bearer t2"


def test_nobody_gets_a_token_without_a_login_too() -> None:
    place, script = over(asks(REALM), token(), answer("200 OK"), login=None)

    assert place.has_manifest(SUBJECT)

    assert sent(script) == [None, None, "Bearer t1"]


def test_who_is_refused_is_told_how_to_log_in() -> None:
    for steps in (
        [asks('Basic realm="r"'), asks('Basic realm="r"')],
        [asks("Negotiate")],
        [asks(REALM), answer("403 Forbidden")],
        [asks(REALM), token(), asks(REALM)],
    ):
        place, _ = over(*steps)
        with pytest.raises(Denied) as caught:
            place.has_manifest(SUBJECT)
        assert "docker login 127.0.0.1:5000" in str(caught.value)
    place, _ = over(asks('Basic realm="r"'), login=None)
    with pytest.raises(Denied):
        place.has_manifest(SUBJECT)


@pytest.mark.parametrize("realm", ["http://tokens.example.org/", "file:///etc/passwd", ""])
def test_a_login_is_not_sent_in_the_clear(realm: str) -> None:
    place, script = over(asks(f'Bearer realm="{realm}"'))

    with pytest.raises(Denied, match="isn't https"):
        place.has_manifest(SUBJECT)

    assert sent(script) == [None]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"?", b'{"token":"a\\nb"}'])
def test_an_answer_without_a_token(body: bytes) -> None:
    place, _ = over(asks(REALM), answer("200 OK", body))

    with pytest.raises(Unreachable, match="holds no token"):
        place.has_manifest(SUBJECT)


def test_a_place_of_tokens_that_is_not_there() -> None:
    place, _ = over(asks(REALM), drop)

    with pytest.raises(Unreachable, match="no token for"):
        place.has_manifest(SUBJECT)


def test_another_host_that_a_redirect_leads_to_gets_nothing() -> None:
    elsewhere = "http://127.0.0.1:6000/v2/mirror/shop/blobs/x"
    place, script = over(
        asks('Basic realm="r"'), answer("307 Moved", Location=elsewhere), asks('Basic realm="r"')
    )

    with pytest.raises(Denied):
        place.pull_blob(BLOB, io.BytesIO(), lambda _size: None)

    assert sent(script) == [None, BASIC, None]


# Blobs


def pushed(place: RegistryRepository, source: RegistryRepository) -> tuple[Moved, int, bool]:
    counted, opened = [0], [False]

    def opener() -> io.BytesIO:
        opened[0] = True
        return io.BytesIO(b"some bytes")

    def count(size: int) -> None:
        counted[0] += size

    return place.push_blob(BLOB, opener, source, count), counted[0], opened[0]


def test_what_is_there_is_not_sent() -> None:
    place, _ = over(answer("200 OK"))

    assert pushed(place, place) == (Moved.THERE, 10, False)


def test_what_the_registry_has_elsewhere_is_mounted() -> None:
    place, script = over(answer("404 Not Found"), answer("201 Created"))
    source = RegistryRepository(place.transport, RepositoryName("team/shop"))

    assert pushed(place, source) == (Moved.MOUNTED, 10, False)

    said = script.seen[1]["QUERY_STRING"]
    assert said == f"mount={str(BLOB.digest).replace(':', '%3A')}&from=team%2Fshop"


def test_what_it_does_not_mount_is_sent_in_the_upload_that_it_began() -> None:
    place, script = over(
        answer("404 Not Found"),
        answer("202 Accepted", Location="/v2/mirror/shop/blobs/uploads/1"),
        answer("201 Created"),
    )
    source = RegistryRepository(place.transport, RepositoryName("team/shop"))

    assert pushed(place, source) == (Moved.SENT, 10, True)

    assert script.bodies[-1] == b"some bytes"


def test_a_token_that_ends_while_a_blob_is_sent_is_had_anew() -> None:
    begun = answer("202 Accepted", Location="/v2/mirror/shop/blobs/uploads/1")
    place, script = over(
        *(answer("404 Not Found"), asks(REALM), token(), begun, asks(REALM)),
        *(asks(REALM), token("t2"), begun, answer("201 Created")),
        retries=1,
    )
    other = RegistryRepository(Transport("http://127.0.0.1:7000"), RepositoryName("team/shop"))

    assert pushed(place, other) == (Moved.SENT, 10, True)

    assert sent(script)[-1] == "Bearer t2"
    assert script.bodies[-1] == b"some bytes"


# Referrers


def test_referrers_by_their_tag_where_no_list_is_kept() -> None:
    listed = image_index(artifact_type=None, manifests=[ON_IT])
    place, script = over(answer("404 Not Found"), answer("200 OK", listed))

    assert [each.digest for each in place.referrers(SUBJECT)] == [ON_IT.digest]

    assert script.seen[1]["PATH_INFO"] == f"/v2/mirror/shop/manifests/sha256-{SUBJECT.hex}"


def test_a_referrer_is_added_to_the_tag_once() -> None:
    place, script = over(answer("201 Created"), answer("404 Not Found"), answer("201 Created"))
    place.push_manifest(ON_IT, NOTE, ())
    (listed,) = json.loads(script.bodies[-1])["manifests"]

    assert listed["digest"] == str(ON_IT.digest)
    assert listed["artifactType"] == "text/x-note"

    place, script = over(answer("201 Created"), answer("200 OK", script.bodies[-1]))
    place.push_manifest(ON_IT, NOTE, ())
    assert len(script.seen) == 2


def test_a_registry_that_lists_referrers_itself_gets_no_tag() -> None:
    place, script = over(answer("201 Created", OCI_Subject=str(SUBJECT)))

    place.push_manifest(ON_IT, NOTE, ())

    assert len(script.seen) == 1


def test_a_tag_of_referrers_that_is_no_index() -> None:
    for body in (NOTE, b"?"):
        place, _ = over(answer("404 Not Found"), answer("200 OK", body))
        with pytest.raises(Tampered):
            place.referrers(SUBJECT)


def test_a_list_of_referrers_that_never_ends() -> None:
    entries = [
        Descriptor(media.MANIFEST, Digest.of(str(number).encode()), 2) for number in range(10_001)
    ]
    listed = image_index(artifact_type=None, manifests=entries)
    place, _ = over(answer("200 OK", listed))
    with pytest.raises(Tampered, match="at most 10000"):
        place.referrers(SUBJECT)

    script = Script()
    empty = image_index(artifact_type=None, manifests=[])
    again = answer("200 OK", empty, Link=f'</v2/mirror/shop/referrers/{SUBJECT}>; rel="next"')

    def forever(environ: Any, start: Any) -> Any:
        script.steps.append(again)
        return script(environ, start)

    place.transport.session.mount("http://", WsgiAdapter(forever))
    with pytest.raises(Tampered, match="at most"):
        place.referrers(SUBJECT)


# References


def test_a_tag_is_resolved_by_the_bytes_that_it_names() -> None:
    place, _ = over(answer("200 OK", NOTE, Docker_Content_Digest=str(SUBJECT)))
    assert place.resolve(Tag("first")) == ON_IT.digest
    assert place.resolve(SUBJECT) == SUBJECT
    place, _ = over(answer("404 Not Found"))
    with pytest.raises(Missing, match="no tag first"):
        place.resolve(Tag("first"))
    with pytest.raises(Misuse, match="which bundle"):
        place.resolve(None)


def test_other_bytes_than_were_asked_for() -> None:
    place, _ = over(answer("200 OK", NOTE))

    with pytest.raises(Tampered):
        place.manifest(SUBJECT)
