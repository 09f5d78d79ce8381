"""In a guest, these packages stand at the top, under the names of the compiled libraries that they stand in for.

Each has what `automata` uses of its library, in Python, with the same bytes and the same verdicts.
"""
