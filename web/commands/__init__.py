"""The server's commands, found through the entry-point group `recipebox.commands`."""
