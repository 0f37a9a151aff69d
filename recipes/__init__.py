"""What a recipe is: reading it, the closure of its code, packing it, and the layout of a package.

Nothing here imports or runs what is in a checkout: its code is read as text, and runs in children.
"""
