"""Demo: what a public page needs around the networks, whatever draws the page.

Request limits, a queue of one job at a time, a cache of models, and the messages about them.
"""
