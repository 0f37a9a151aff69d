"""What is shipped for nginx: that nginx takes it, and that its figures fit Recipebox's own."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.tools import parts
from tests.tools.certificates import make_authority
from tests.tools.proxy import SHIPPED, NginxFailed, check, render, setting

pytestmark = pytest.mark.real


@pytest.fixture
def folder(tmp_path):
    certificate, key = make_authority(tmp_path).issue("localhost")
    certificate.rename(tmp_path / "server.pem")
    key.rename(tmp_path / "server.key")
    return tmp_path


def test_nginx_takes_what_is_shipped_without_a_warning(folder):
    file = folder / "nginx.conf"
    text = render(folder, "http://127.0.0.1:8080", folder / "blobs", (8443, 8081), tls=True)
    file.write_text(text)

    said = check(file)

    assert "test is successful" in said
    assert "[warn]" not in said


def test_its_folders_are_made_where_debians_nginx_has_its_own():
    said = subprocess.run([parts.nginx(), "-V"], capture_output=True, text=True, check=True).stderr
    own = re.search(r"--http-client-body-temp-path=(\S+)", said)
    assert own is not None

    for name in ("client_body_temp_path", "proxy_temp_path"):
        assert Path(setting(name)).parent == Path(own[1]).parent


def test_its_check_can_fail(folder):
    file = folder / "nginx.conf"
    text = render(folder, "http://127.0.0.1:8080", folder / "blobs", (8443, 8081), tls=True)
    file.write_text(text.replace("worker_connections 16384;", "worker_konnections;"))

    with pytest.raises(NginxFailed, match="worker_konnections"):
        check(file)


def test_the_proxy_never_uses_a_connection_that_the_server_is_closing():
    from web.granian_server import _HEAD_TIMEOUT
    from web.server import _KEEPALIVE

    text = SHIPPED.read_text()

    assert "keepalive_timeout 10s;  # shorter than Recipebox's" in text
    assert min(_KEEPALIVE, _HEAD_TIMEOUT // 1000) > 10


def test_files_suffice_for_the_connections():
    assert int(setting("worker_rlimit_nofile").split()[0]) >= 3 * int(setting("worker_connections"))


def test_the_nginx_that_is_here_is_one_that_was_meant():
    said = subprocess.run([parts.nginx(), "-v"], capture_output=True, text=True, check=True).stderr

    major, minor = said.split("/")[1].split(".")[:2]
    assert (int(major), int(minor)) >= (1, 22)
