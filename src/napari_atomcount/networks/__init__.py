"""The convolutional networks, their model cards, and the detector that runs them over a frame."""
