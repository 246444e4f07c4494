"""api/backends."""
