"""Fitting what a model returned to the picture that was sent: in place, in colour, no seam (docs/exact-edits.md)."""
