"""Where faces are in pictures, how they are turned, who is who from one picture to the next.

What detectors that look at faces have in common: the finder (`finder`), the mesh of 468 landmarks
(`landmarks`), both at once with a memory (`tracker`), the aligned crop (`crop`) and whether a face
can be judged at all (`quality`). Nobody is recognised, and nothing of a face is kept but numbers.
"""
