"""Reading other people's weights without running their code: formats, limits, and a child process.

found = inspect(Path("checkpoint.pt"))     # analysis.models.files.inspection: reads in a child, no torch here

A pickle is read by an allow-list: tensors are declared, and any other object becomes a record that keeps
its arguments. Nothing is allocated before its size was held against the size of the file.
"""
