"""Readers and writers of weights in other libraries' formats."""
