"""Single streams shown live over WebRTC: drawn and encoded once, for all who watch."""
