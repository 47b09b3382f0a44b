"""Floor 1, measurements: pure functions of numpy, scipy and pandas, table in, table out.

Import from the modules themselves. They know neither networks nor files: what a network says is handed in.
"""
