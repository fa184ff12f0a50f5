"""Access: who may call, and what for. API keys today; page sessions come with the Usage page."""
