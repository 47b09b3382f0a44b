"""Floor 0, the nouns of the package: calibration, movie, maps, tables, settings, analysis.

It imports nothing of ours. Import from the modules themselves: this file stays empty so that a form or
``--help`` that needs only the settings does not import pandas.
"""
