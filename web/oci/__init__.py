"""`/v2/`: distribution-spec 1.1."""
