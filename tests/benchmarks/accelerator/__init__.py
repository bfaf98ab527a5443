"""The programme for an accelerator: ``python -m tests.benchmarks accelerator --wheels DIR``.

It runs on a machine without network that is lent for minutes, so it keeps to a budget of seconds, writes what it has
after every section, and goes on where one fails. Sections are rows in ``sections.py``.
"""
