"""The settings file: what it may say, how it is read, how it is written for a new vault.

Pure but for the file.
"""
