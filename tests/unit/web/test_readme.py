"""A readme is other people's text: it may look well, and can do nothing."""

import pytest

from web.index.readme import LONGEST, render_readme


def test_markdown_becomes_html():
    html = render_readme("# Title\n\nSome *text*, ~~gone~~ and `code`.\n\n| a |\n|---|\n| b |\n")

    for expected in ("<h1>Title</h1>", "<em>text</em>", "<code>code</code>", "<td>b</td>"):
        assert expected in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hello)",
        "<a href='https://x' onclick='alert(1)'>x</a>",
        "<style>*{display:none}</style>",
    ],
)
def test_nothing_in_it_runs(hostile):
    html = render_readme(hostile)

    for bad in ("<script", "<img", "<style", 'href="javascript', 'href="data', "<a href='"):
        assert bad not in html


def test_links_tell_nothing_and_count_for_nothing():
    html = render_readme("[x](https://example.org)")

    assert 'rel="nofollow noopener"' in html


def test_images_are_told_by_their_description():
    html = render_readme("![a <b>chart</b>](https://example.org/track.png)")

    assert "example.org" not in html
    assert "chart" in html


def test_no_text_is_no_html():
    assert render_readme("") == ""


def test_one_that_is_very_long_is_shown_as_it_was_written():
    html = render_readme("*<b>* " * LONGEST)

    assert html.startswith("<pre>*&lt;b&gt;* ")
    assert "<em>" not in html
