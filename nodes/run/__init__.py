"""One run of a node: what its widgets mean, its pictures, the wait, and what is shown meanwhile."""
