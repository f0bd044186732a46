"""Studying ALBERT: its costs, a look inside, the paper's ablations in miniature, the quickstart."""
