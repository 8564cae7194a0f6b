"""Predictions of any origin: folders become records, records become cards, and two are compared."""
