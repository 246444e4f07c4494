"""nodes/migration."""
