"""api/store."""
