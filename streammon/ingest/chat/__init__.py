"""Sources of chat, one file per protocol."""
