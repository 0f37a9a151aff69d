"""The words of the OCI specifications as values: digests, descriptors, manifests, names. No IO."""
