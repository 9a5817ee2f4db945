"""Calls that a provider sends here over WebSocket: phone lines and meeting bots.

One listener (`listener`), proofs of who sends (`proofs`), the providers' messages
(`phone_messages`, `meeting_messages`), and the stream that a call brings (`call_source`).
"""
