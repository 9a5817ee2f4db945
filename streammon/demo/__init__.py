"""The media that the demo plays. `README.md` beside it says where each file comes from."""
