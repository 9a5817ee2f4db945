"""Long streams of speech made of short clips, for alerts per hour and seconds to an alert."""
