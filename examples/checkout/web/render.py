"""Pages without a framework. Templates are str.format, values are escaped."""
import os

from markupsafe import Markup, escape

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


def page(template, **values):
    with open(os.path.join(TEMPLATES, template), encoding="utf-8") as fh:
        text = Markup(fh.read())
    return str(text.format(**values))


def table(header, rows):
    head = Markup("").join(Markup("<th>{}</th>").format(h) for h in header)
    body = Markup("\n").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row))
        for row in rows)
    return Markup("<table>\n<tr>{}</tr>\n{}\n</table>").format(head, body)


def anchor(text):
    from src.textkit.slug import slug
    return escape(slug(text))
