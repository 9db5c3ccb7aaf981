"""A run: the plan, the networks, the protocol, the rows and what a folder of results holds."""
