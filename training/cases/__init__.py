"""Makes labelled recordings and chats: faults, replays and floods, and what is taken for them.

Everything is drawn, sounded and written from numbers and from lines of the project's own; nothing
recorded is in it. Development and test cases come from other seeds and from other ranges.
"""
