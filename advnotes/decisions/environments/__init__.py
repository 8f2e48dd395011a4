"""Environments on the interface of gymnasium, and tables of them whose values are computed, not learnt."""
