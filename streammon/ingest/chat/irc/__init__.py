"""IRC: plain, and as Twitch speaks it."""
