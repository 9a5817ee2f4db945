"""Makes the table of look-alike letters of the chat flood detector."""
