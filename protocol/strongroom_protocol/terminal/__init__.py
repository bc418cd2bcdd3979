"""What the commands of client and vault share: how they start, their streams, printable text.

The one part of this package that touches streams and signals; `printable` is pure.
"""
