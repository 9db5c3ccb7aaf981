"""Run: the plan, the networks, the protocol, the rows and the files of its folder."""
