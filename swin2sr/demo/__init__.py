"""What a public page needs around the networks, whatever draws the page.

A guard at the door, one job at a time, and the words for what happens.
"""
