"""Business rules for cleaning ("recipes" since they were in the cook book wiki)."""
