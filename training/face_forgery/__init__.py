"""Trains the network behind `face_forgery`: faces, swappers, forgeries, film, fit, figures."""
