"""A package's readme: other people's Markdown, made into HTML that can't do anything."""

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_TAGS = {
    *("a", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "h1", "h2", "h3", "h4"),
    *("h5", "h6", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead"),
    *("tr", "ul"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}


LONGEST = 100_000
"""Characters of a readme that is rendered: some texts take a second for as many, on each visit."""


def render_readme(text: str) -> Markup:
    """Return safe HTML of a Markdown text (CommonMark, with tables and strikethrough).

    One that is longer than `LONGEST` is shown as it was written.

    Raw HTML in it is shown as text; images are left out, since a page fetches nothing from
    elsewhere: their description stays.
    """
    if len(text) > LONGEST:
        return Markup("<pre>{}</pre>").format(text)
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _describe_image)
    html = parser.render(text)
    safe = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener",
        strip_comments=True,
    )
    return Markup(safe)  # noqa: S704 - nh3 made it safe


def _describe_image(_renderer: object, tokens: object, index: int, *_rest: object) -> str:
    content = tokens[index].content  # type: ignore[index]
    return nh3.clean_text(content)
