"""What each command does, once `streammon.cli` has read the command line.

Every module here is imported only when its command runs.
"""
