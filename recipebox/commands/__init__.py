"""The client's commands, a file each: `recipebox pack` is `command` in `pack.py`."""
