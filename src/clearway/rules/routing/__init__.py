"""How a text finds its skill: what needs neither a model nor numpy. A `Route` itself is of `clearway.rules.route`."""
