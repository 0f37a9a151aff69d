"""The steps of the schema, in order of their numbers; each runs once, in a transaction."""
