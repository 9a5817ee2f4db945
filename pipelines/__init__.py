"""How the parts are put together: the live monitor, replay, and the ready-made monitors."""
