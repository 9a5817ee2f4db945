"""How well `av_sync` does on clips of talkers; it has no weights to train."""
