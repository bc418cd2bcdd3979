"""The settings file: what it may say, how it is read, and the text of a new vault's.

Reads one file, the environment that it is given, and the files that settings name; nothing else.
"""
