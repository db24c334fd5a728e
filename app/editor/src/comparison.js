// Two revisions: side by side where there is room, in one column on a telephone. The right one may be written in.

import { setDiagnostics } from "@codemirror/lint"
import { MergeView, unifiedMergeView } from "@codemirror/merge"
import { EditorState } from "@codemirror/state"
import { EditorView } from "@codemirror/view"
import { toDiagnostics } from "./diagnostics.js"
import { reading, writing } from "./setup.js"

const NARROW_PX = 640

export function createComparison(root, data, events) {
  let schema = data.schema
  let current = data
  let view = build()

  function editing(label) {
    return current.readOnly ? [reading(label), locked()] : [reading(label), writing(() => schema, events)]
  }

  function build() {
    const isNarrow = root.clientWidth > 0 && root.clientWidth < NARROW_PX
    const collapseUnchanged = { margin: 3, minSize: 6 }
    if (isNarrow) {
      const only = new EditorView({
        parent: root,
        root: root.getRootNode(),
        state: EditorState.create({
          doc: current.text,
          extensions: [
            editing(current.label),
            unifiedMergeView({ original: current.base, mergeControls: false, collapseUnchanged }),
          ],
        }),
      })
      return { editor: only, base: current.base, destroy: () => only.destroy() }
    }
    const pair = new MergeView({
      parent: root,
      root: root.getRootNode(),
      a: { doc: current.base, extensions: [reading(current.baseLabel), locked()] },
      b: { doc: current.text, extensions: editing(current.label) },
      collapseUnchanged,
      gutter: true,
    })
    return { editor: pair.b, base: current.base, destroy: () => pair.destroy() }
  }

  return {
    text: () => view.editor.state.doc.toString(),
    replace(text) {
      view.editor.dispatch({ changes: { from: 0, to: view.editor.state.doc.length, insert: text } })
    },
    update(next) {
      const mustRebuild = next.base !== view.base || next.readOnly !== current.readOnly
      const text = view.editor.state.doc.toString()
      schema = next.schema
      current = { ...next, text }
      if (mustRebuild) {
        view.destroy()
        view = build()
      }
      root.style.setProperty("--editor-height", `${next.height}px`)
      if (!next.readOnly && next.text === text) {
        view.editor.dispatch(setDiagnostics(view.editor.state, toDiagnostics(view.editor.state, next.diagnostics)))
      }
    },
    destroy: () => view.destroy(),
  }
}

function locked() {
  return [
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ "aria-readonly": "true", tabindex: "0" }),
  ]
}
