"""Sources: everything that brings media or text in. One adapter a file."""
