"""Makes and measures what `lip_sync` weighs mouths and sounds by."""
