"""The one table of settings, for client and server: what each is called, means and defaults to."""
