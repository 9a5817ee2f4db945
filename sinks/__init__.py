"""Ways out: what leaves streammon, in one schema (`wire`), and where it goes."""
