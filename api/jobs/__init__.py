"""One paid request: asked once, recorded, and shared by everybody who waits for it."""
