"""Ways to tell people: signed webhooks, and everything that Apprise knows (e-mail, Slack, …)."""
