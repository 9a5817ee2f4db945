"""Whether each gate of the shipped detectors turns away more false alarms than detections."""
