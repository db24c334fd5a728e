// One document: to write in, with the validator's findings in the gutter, or to read.

import { setDiagnostics } from "@codemirror/lint"
import { Compartment, EditorState } from "@codemirror/state"
import { EditorView } from "@codemirror/view"
import { toDiagnostics } from "./diagnostics.js"
import { reading, writing } from "./setup.js"

export function createEditor(root, data, events) {
  let schema = data.schema
  const access = new Compartment()
  const view = new EditorView({
    parent: root,
    root: root.getRootNode(),
    state: EditorState.create({
      doc: data.text,
      extensions: [reading(data.label), access.of(accessOf(data.readOnly))],
    }),
  })

  function accessOf(readOnly) {
    return readOnly
      ? [EditorState.readOnly.of(true), EditorView.contentAttributes.of({ "aria-readonly": "true", tabindex: "0" }), EditorView.editable.of(false)]
      : writing(() => schema, events)
  }

  let readOnly = data.readOnly
  return {
    text: () => view.state.doc.toString(),
    replace(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } })
    },
    update(next) {
      schema = next.schema
      if (next.readOnly !== readOnly) {
        readOnly = next.readOnly
        view.dispatch({ effects: access.reconfigure(accessOf(readOnly)) })
      }
      root.style.setProperty("--editor-height", `${next.height}px`)
      // Findings are about the text they were made from; those about an older one would mark the wrong lines.
      if (next.text === view.state.doc.toString()) {
        view.dispatch(setDiagnostics(view.state, toDiagnostics(view.state, next.diagnostics)))
      }
    },
    destroy: () => view.destroy(),
  }
}
