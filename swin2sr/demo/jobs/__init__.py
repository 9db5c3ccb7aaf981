"""Jobs of the demo, one a tab: requests, computation, results."""
