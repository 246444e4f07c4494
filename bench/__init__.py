"""What the node itself costs: the way of ComfyUI's built-in node and ours, in turn, in one process and one run."""
