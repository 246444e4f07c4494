"""api/catalog."""
