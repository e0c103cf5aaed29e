"""Oracles by topic: each module may hold ``ORACLE`` and ``BY_DIFFERENCES``, which ``tests/oracle.py`` gathers."""
