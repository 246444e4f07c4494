"""What ComfyUI's own OpenAI nodes become: in saved workflows and in posted prompts."""
