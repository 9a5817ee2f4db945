"""Encoded packets kept, decoded only when wanted, converted only when sampled, remuxed to clips."""
