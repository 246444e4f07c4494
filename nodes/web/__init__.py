"""nodes/web."""
