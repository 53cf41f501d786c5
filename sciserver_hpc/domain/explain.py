"""States in sentences: what is happening and what to do next."""
