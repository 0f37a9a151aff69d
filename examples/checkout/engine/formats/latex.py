def render(title, header, rows):
    raise NotImplementedError("Jonas has it on his laptop")
