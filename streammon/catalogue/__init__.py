"""Models that others have published: where they are, what they are, and whether a file is one.

Nothing here opens a model: files are fetched, measured and hashed, never read as anything.
"""
