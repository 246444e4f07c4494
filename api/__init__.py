"""The service, without torch and without ComfyUI: what can be asked, of whom, over the wire, kept and paid once."""
