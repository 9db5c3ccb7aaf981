"""The page's tabs, drawn with Gradio: what is seen and clicked. ``swin2sr.demo`` does the work.

The only room that imports Gradio; ``app.py`` puts the tabs together.
"""
