"""The JSON API, and the index, keys and schemas beside it."""
