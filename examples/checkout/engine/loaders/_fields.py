def cut(line, layout):
    return [line[a:b].strip() for a, b in layout]
