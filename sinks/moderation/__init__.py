"""Moderates chats on incidents: a policy proposes, people and limits dispose, chat sources act."""
