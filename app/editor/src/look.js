// Colours and type from the theme that Streamlit hands to components, so that the editor follows light and dark.

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language"
import { EditorView } from "@codemirror/view"
import { tags } from "@lezer/highlight"

const theme = EditorView.theme({
  "&": {
    color: "var(--st-text-color)",
    backgroundColor: "var(--st-background-color)",
    fontSize: "var(--st-code-font-size, 0.85rem)",
    height: "100%",
  },
  "&.cm-focused": { outline: "2px solid var(--st-primary-color)", outlineOffset: "-2px" },
  // Ligatures would show ">=" in a rule as one sign that nobody typed.
  ".cm-scroller": { fontFamily: "var(--st-code-font)", fontVariantLigatures: "none", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--st-text-color)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--st-text-color)" },
  ".cm-gutters": {
    color: "var(--st-gray-text-color)",
    backgroundColor: "var(--st-secondary-background-color)",
    border: "none",
    borderRight: "1px solid var(--st-border-color)",
  },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--st-gray-background-color) 55%, transparent)" },
  ".cm-activeLineGutter": { color: "var(--st-text-color)", backgroundColor: "var(--st-gray-background-color)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--st-blue-background-color)",
  },
  ".cm-selectionMatch": { backgroundColor: "var(--st-violet-background-color)" },
  ".cm-searchMatch": { backgroundColor: "var(--st-orange-background-color)" },
  ".cm-foldPlaceholder": {
    color: "var(--st-gray-text-color)",
    backgroundColor: "var(--st-gray-background-color)",
    border: "none",
  },
  ".cm-tooltip": {
    color: "var(--st-text-color)",
    backgroundColor: "var(--st-background-color)",
    border: "1px solid var(--st-border-color)",
    borderRadius: "var(--st-base-radius)",
    overflow: "hidden",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--st-code-font)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    color: "var(--st-blue-text-color)",
    backgroundColor: "var(--st-blue-background-color)",
  },
  ".cm-completionDetail": { color: "var(--st-gray-text-color)", fontStyle: "normal" },
  ".cm-completionInfo": { fontFamily: "var(--st-font)", padding: "6px 10px", maxWidth: "22rem" },
  ".cm-diagnostic": { fontFamily: "var(--st-font)", padding: "6px 10px" },
  ".cm-diagnostic-error": { borderLeft: "4px solid var(--st-red-color)" },
  ".cm-diagnostic-warning": { borderLeft: "4px solid var(--st-orange-color)" },
  ".cm-panels": {
    color: "var(--st-text-color)",
    backgroundColor: "var(--st-secondary-background-color)",
    borderBottom: "1px solid var(--st-border-color)",
  },
  ".cm-panels input, .cm-panels button": {
    color: "var(--st-text-color)",
    backgroundColor: "var(--st-background-color)",
    backgroundImage: "none",
    border: "1px solid var(--st-widget-border-color, var(--st-border-color))",
    borderRadius: "var(--st-button-radius)",
  },
  ".cm-changedLine": { backgroundColor: "color-mix(in srgb, var(--st-green-background-color) 60%, transparent) !important" },
  ".cm-changedText": {
    background: "color-mix(in srgb, var(--st-green-color) 22%, transparent) !important",
    borderRadius: "2px",
  },
  "&.cm-merge-a .cm-changedLine, .cm-deletedChunk": {
    backgroundColor: "color-mix(in srgb, var(--st-red-background-color) 60%, transparent) !important",
  },
  "&.cm-merge-a .cm-changedText, .cm-deletedChunk .cm-deletedText": {
    background: "color-mix(in srgb, var(--st-red-color) 22%, transparent) !important",
  },
  ".cm-changedLineGutter": { background: "var(--st-green-color)" },
  "&.cm-merge-a .cm-changedLineGutter, .cm-deletedLineGutter": { background: "var(--st-red-color)" },
  ".cm-collapsedLines": {
    color: "var(--st-gray-text-color)",
    background: "var(--st-secondary-background-color)",
    fontFamily: "var(--st-font)",
    // CodeMirror's own mark is in no font that we ship.
    "&:before, &:after": { content: '"⋯"' },
  },
})

const colors = HighlightStyle.define([
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: "var(--st-blue-text-color)", fontWeight: "600" },
  { tag: [tags.string, tags.content, tags.attributeValue], color: "var(--st-green-text-color)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--st-violet-text-color)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--st-gray-text-color)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.typeName, tags.labelName, tags.meta], color: "var(--st-violet-text-color)" },
  { tag: [tags.punctuation, tags.separator, tags.bracket], color: "var(--st-gray-text-color)" },
  { tag: tags.invalid, color: "var(--st-red-text-color)" },
])

export const look = [theme, syntaxHighlighting(colors)]
