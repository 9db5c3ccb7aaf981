"""Tabs of the page, drawn with Gradio: components and events. ``swin2sr.demo`` does the work.

The only room that imports Gradio; ``app.py`` puts the tabs together.
"""
