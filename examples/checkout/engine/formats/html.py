from web.render import anchor, page, table


def render(title, header, rows):
    return page("report.html", title=title, anchor=anchor(title), body=table(header, rows),
                footer="%d rows" % len(rows))
