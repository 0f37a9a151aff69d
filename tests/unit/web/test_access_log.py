"""The log: a line for each request, with its id, and never a secret."""

import json
from datetime import UTC, datetime

import pytest

from web.access_log import NOTES, describe, describe_event, format_line, start_notes

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


def test_a_plain_id_of_the_client_is_kept():
    environ = {"HTTP_X_REQUEST_ID": "build-4711.a"}

    assert start_notes(environ)["request_id"] == "build-4711.a"
    assert environ[NOTES] == {"request_id": "build-4711.a"}


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space 12345", "new\nline-12345"])
def test_any_other_is_replaced(given):
    made = start_notes({"HTTP_X_REQUEST_ID": given})["request_id"]

    assert len(made) == 32
    assert made != given


def test_a_request_is_one_json_object():
    environ = {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": "/v2/team/etl/manifests/1.0.0",
        "QUERY_STRING": "token=secret",
        "HTTP_AUTHORIZATION": "Bearer rbx_secret",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_USER_AGENT": "oras/1.3.3",
        NOTES: {"request_id": "12345678", "principal": "ada"},
    }

    line = format_line(describe(environ, 201, 0, 0.01234, NOW), "json")

    assert json.loads(line) == {
        "time": "2026-01-31T12:00:00.123Z",
        "level": "info",
        "message": "request",
        "method": "PUT",
        "path": "/v2/team/etl/manifests/1.0.0",
        "status": 201,
        "bytes": 0,
        "duration_ms": 12.3,
        "remote": "127.0.0.1",
        "user_agent": "oras/1.3.3",
        "request_id": "12345678",
        "principal": "ada",
    }
    assert "secret" not in line


def test_a_line_of_text_is_for_people_and_stays_one_line():
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/a\n\x1b[31mforged",
        "HTTP_USER_AGENT": 'a "b"',
    }

    line = format_line(describe(environ, 503, None, 1.0, NOW), "text")

    assert line.startswith(
        "2026-01-31T12:00:00.123Z error request method=GET path=/a\\x0a\\x1b[31m"
    )
    assert 'user_agent="a \\"b\\""' in line
    assert "\n" not in line
    assert "bytes" not in line


def test_an_event_needs_no_values():
    assert format_line(describe_event("info", "started", NOW), "text").endswith("info started")
