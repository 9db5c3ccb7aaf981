"""Jobs of the demo, one a tab: what is asked, what is computed, what comes back."""
