"""What people look at: the scored picture with what was said of it, and level meters."""
