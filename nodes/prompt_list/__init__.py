"""nodes/prompt_list."""
