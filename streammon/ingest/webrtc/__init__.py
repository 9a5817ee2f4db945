"""Calls and cameras that publish to us over WebRTC (WHIP, RFC 9725)."""
