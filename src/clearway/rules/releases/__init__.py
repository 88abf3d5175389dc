"""Bundles, what differs between two of them, who has to sign that, and signatures."""
