"""nodes/run."""
