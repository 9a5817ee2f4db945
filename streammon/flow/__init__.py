"""How data crosses tasks and threads, and who restarts whom."""
