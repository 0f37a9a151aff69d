"""The pages, drawn on the server: they work without JavaScript."""
