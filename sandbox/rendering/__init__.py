"""sandbox/rendering."""
