"""Pixels and the host: tensors to PNG bytes and back, and the one file that knows ComfyUI."""
