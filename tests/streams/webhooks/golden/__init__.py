"""The bodies of webhooks as releases sent them: receivers keep and compare them."""
