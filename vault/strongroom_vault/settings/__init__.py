"""The settings file: what it may say, how it is read, and the text of a new vault's.

Reads one file and the environment that it is given; nothing else.
"""
