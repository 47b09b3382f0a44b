"""From structure to image: specimens, exit waves by multislice, and the optics of the microscope."""
