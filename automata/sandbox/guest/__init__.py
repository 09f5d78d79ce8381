"""The inside of a sandboxed Python class: what runs in CPython that was compiled to WebAssembly.

It is the code of `automata` itself, over stand-ins for the libraries that are compiled for one machine.
"""
