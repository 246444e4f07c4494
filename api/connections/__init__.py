"""api/connections."""
