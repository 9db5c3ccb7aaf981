"""Style of the page, and a script for those who use it by keyboard or have it read out."""

from __future__ import annotations

import gradio as gr

SYSTEM_FONTS = ["ui-sans-serif", "system-ui", "sans-serif"]
FIXED_FONTS = ["ui-monospace", "Consolas", "monospace"]

CSS = """
.job-preview, .report { min-height: 3em; }
.job-preview p, .report p, #footer p { margin: 0 0 .4em; }
#footer { font-size: .85em; }
.caption p { margin: 0; font-weight: 600; }
.prose h1 { margin-bottom: .2em; }
.prose table { border-collapse: collapse; font-size: .92em; }
.prose th, .prose td {
    border-color: var(--border-color-primary) !important;
    overflow-wrap: normal;
    word-break: normal;
}
@media (max-width: 480px) {
    .prose table { font-size: .8em; }
    .prose th, .prose td { padding: .3em .4em !important; }
}
.prose th { white-space: nowrap; }
.prose pre { white-space: pre-wrap; }
/* The chosen tab is the plainest to see, not the faintest. */
.tab-container button.selected { color: var(--body-text-color); font-weight: 600; }
/* A link's size and arrow in the list of files, faint in the dark. */
.file-preview a { color: var(--body-text-color) !important; }
/* Results beside each other: whole, with whole captions below, and two in a row on a phone. */
.side-by-side { min-height: 12em; }
.side-by-side .grid-wrap { min-height: 0; max-height: none; }
.side-by-side .grid-container { padding-top: 1.8em; }
.side-by-side .thumbnail-lg { aspect-ratio: auto; height: auto; }
.side-by-side .thumbnail-lg > img { height: auto; }
.side-by-side .caption-label { position: static; max-width: none; white-space: normal; }
#compare-crops img { image-rendering: pixelated; }
@media (max-width: 640px) {
    .report th, .report td { white-space: normal; overflow-wrap: normal; padding: .3em .5em; }
    .side-by-side .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
/* A control inside a button confuses those who cannot see it: the one for a file opens all the
   same, the one for more files is given up (take the files out, and choose anew). */
button input[type=file], button.icon-button:has(button) { display: none; }
"""

# What the framework has no argument for: changes of reports are read out, and small pictures that
# are buttons have names that hold what they show. Tabs that have not been opened have no elements
# yet, hence the observer.
ACCESSIBILITY_SCRIPT = """() => {
    const name = (button, text) => {
        if (text && button.getAttribute('aria-label') !== text)
            button.setAttribute('aria-label', text);
    };
    const stem = picture => {
        const file = picture?.getAttribute('src')?.split('/').pop() ?? '';
        return decodeURIComponent(file).replace(/[.][^.]*$/, '');
    };
    // Who has no mouse must reach what is wider than the screen before arrow keys can move it.
    const reach = new ResizeObserver(entries => {
        for (const {target} of entries) {
            const wide = target.scrollWidth > target.clientWidth;
            const made = {tabindex: '0', role: 'region', 'aria-label': 'Wide table'};
            for (const [key, value] of Object.entries(made))
                wide ? target.setAttribute(key, value) : target.removeAttribute(key);
        }
    });
    const prepare = () => {
        for (const table of document.querySelectorAll('.prose table')) {
            const frame = table.closest('.hide-container');
            if (frame) reach.observe(frame);
        }
        for (const report of document.querySelectorAll('.report:not([aria-live])'))
            report.setAttribute('aria-live', 'polite');
        for (const button of document.querySelectorAll('button.gallery-item'))
            name(button, 'Example: ' + stem(button.querySelector('img')));
        for (const picture of document.querySelectorAll('img.preview'))
            if (picture.alt !== stem(picture)) picture.alt = stem(picture);
        for (const button of document.querySelectorAll(
            'button.thumbnail-item, button.upload-container'
        ))
            name(button, button.innerText.replace(/\\s+/g, ' ').trim());
        // A label names the first control inside it, which is the button that copies.
        for (const field of document.querySelectorAll('label textarea')) {
            const label = field.closest('label');
            const text = label.querySelector('[data-testid=block-info]')?.innerText.trim();
            const copy = label.querySelector('button[title=Copy]');
            name(field, text);
            if (copy) name(copy, 'Copy: ' + text);
        }
        for (const empty of document.querySelectorAll('.empty[aria-label]:not([role])'))
            empty.setAttribute('role', 'img');
    };
    prepare();
    new MutationObserver(prepare).observe(document.body, {childList: true, subtree: true});
}"""


def theme() -> gr.themes.Base:
    """Theme of black on white and white on near-black, with fonts of the visitor's machine."""
    base = gr.themes.Monochrome(
        spacing_size="md", radius_size="sm", font=SYSTEM_FONTS, font_mono=FIXED_FONTS
    )
    return base.set(
        block_border_width="1px",
        button_border_width="1px",
        button_primary_background_fill_dark="*neutral_100",
        button_primary_background_fill_hover_dark="*neutral_300",
        button_primary_border_color_dark="*neutral_100",
        button_primary_text_color_dark="*neutral_900",
        checkbox_label_background_fill_selected_dark="*neutral_100",
        checkbox_label_text_color_selected_dark="*neutral_900",
        button_secondary_text_color_hover="*neutral_900",
        link_text_color_dark="*neutral_200",
        link_text_color_hover_dark="*neutral_50",
        link_text_color_visited_dark="*neutral_300",
        link_text_color_active_dark="*neutral_50",
        body_text_color_subdued_dark="*neutral_300",
    )
