"""The HTTP face of the registry: OCI's `/v2/`, the API, the pages. The only user of Flask."""
